//! What searches find, in which order, and what filters and operators do.

use carrel_index::{Filter, Query, Tuning};

use crate::shelf::{Shelf, by_vectors, hybrid, keywords};

#[test]
fn identifiers_dates_and_addresses_are_found_whole_and_in_parts() {
    let shelf = Shelf::new();
    shelf.add("/d/a.txt", "Exhibit EX-10.38 was signed on 2024-03-01 by Anna Weiß.");
    shelf.add("/d/b.txt", "Exhibit EX-10.39 was signed on 2024-03-02 by someone else.");
    shelf.add("/d/c.txt", "Write to anna.weiss@example.org about order AB_123.");
    for query in ["EX-10.38", "2024-03-01", "anna weiss exhibit"] {
        assert_eq!(shelf.find(&keywords(query))[0].0, "/d/a.txt", "{query}");
    }
    for query in ["anna.weiss@example.org", "AB_123", "example.org"] {
        assert_eq!(shelf.find(&keywords(query))[0].0, "/d/c.txt", "{query}");
    }
}

#[test]
fn words_are_found_in_every_script_and_inflection() {
    let shelf = Shelf::new();
    shelf.add(
        "/d/de.txt",
        "Der Mieter kündigt die Wohnungen mit einer Frist von drei Monaten zum Ende des Jahres.",
    );
    shelf.add("/d/zh.txt", "租户应在每月三日之前支付租金。押金为两个月的租金。");
    shelf.add("/d/ar.txt", "يدفع المستأجر الإيجار في اليوم الثالث من كل شهر وفقا للعقد المبرم بين الطرفين");
    shelf.add("/d/th.txt", "ผู้เช่าต้องชำระค่าเช่าทุกวันที่สามของเดือน");
    shelf.add("/d/ja.txt", "借主は毎月三日までに家賃を支払うものとする。敷金は家賃の二ヶ月分とする。");
    shelf.add("/d/ru.txt", "Арендатор обязан платить арендную плату третьего числа каждого месяца.");
    shelf.add("/d/en.txt", "The tenants were paying rents monthly.");
    for (query, path) in [
        ("Wohnung", "/d/de.txt"),
        ("wohnungen kundigt", "/d/de.txt"),
        ("押金", "/d/zh.txt"),
        ("租户支付租金", "/d/zh.txt"),
        ("المستأجرين", "/d/ar.txt"),
        ("ค่าเช่า", "/d/th.txt"),
        ("敷金", "/d/ja.txt"),
        ("арендаторы", "/d/ru.txt"),
        ("tenant pays rent", "/d/en.txt"),
    ] {
        let found = shelf.find(&keywords(query));
        assert_eq!(found.first().map(|(path, _)| path.as_str()), Some(path), "{query}");
    }
}

#[test]
fn a_question_about_one_of_many_documents_finds_the_place_in_it() {
    let shelf = Shelf::new();
    let clause = "Either side may end this agreement by written notice of thirty days.";
    let names = ["Acme", "Borealis", "Corvus", "Dorado"];
    for name in names {
        let parts = [
            format!("Supply agreement of {name}. {name} delivers and {name} is paid."),
            format!("{name} keeps the goods at the stores of {name}, where {name} insures them."),
            format!("{name} names a person who speaks for {name}."),
            clause.to_owned(),
            "Invoices are paid within a month.".to_owned(),
        ];
        shelf.put(&format!("/d/{name}.txt"), &parts.join("\n\n"));
    }
    shelf.settle();
    for name in names {
        let query = keywords(&format!("How may {name} end the agreement by notice?"));
        let found = shelf.find(&query);
        assert_eq!(found[0], (format!("/d/{name}.txt"), clause.to_owned()), "{name}");
    }
}

#[test]
fn of_documents_that_say_the_same_the_one_whose_file_is_named_comes_first() {
    let shelf = Shelf::new();
    for year in [2022, 2023] {
        for quarter in 1..4 {
            let text = format!(
                "Report of Acme, Inc. on a quarter.\n\nNet sales of Q1, Q2 and Q3 in 2022 and 2023 were {quarter} millions."
            );
            shelf.put(&format!("/d/{year}_Q{quarter} ACM.txt"), &text);
        }
    }
    shelf.settle();
    for query in ["What were the net sales of Q2 2023?", "2023 Q2 ACM net sales"] {
        for find in [keywords(query), hybrid(query)] {
            let found = shelf.find(&find);
            assert!(
                found[0].0 == "/d/2023_Q2 ACM.txt" && found[0].1.starts_with("Net"),
                "{query}: {found:?}"
            );
        }
    }
}

#[test]
fn operators_restrict_inside_the_search() {
    let shelf = Shelf::new();
    shelf.add("/d/lease.txt", "The notice period is three months.");
    shelf.add("/d/lease draft.md", "The notice period of this draft is months and three.");
    shelf.add("/d/minutes.txt", "The board took notice of the report.");
    let paths = |query: &str| {
        let mut paths = shelf.paths(query);
        paths.sort();
        paths
    };
    assert_eq!(paths("notice"), ["/d/lease draft.md", "/d/lease.txt", "/d/minutes.txt"]);
    assert_eq!(paths("notice -draft"), ["/d/lease.txt", "/d/minutes.txt"]);
    assert_eq!(paths("notice -\"notice period\""), ["/d/minutes.txt"]);
    assert_eq!(paths("notice file:lease*"), ["/d/lease draft.md", "/d/lease.txt"]);
    assert_eq!(paths("notice type:md"), ["/d/lease draft.md"]);
    assert_eq!(paths("notice after:2023-11-14"), paths("notice"));
    assert!(paths("notice before:2023-11-14").is_empty());
    let typed = |text: &str| {
        let filter = Filter { types: vec!["txt".into()], ..Filter::default() };
        shelf.find(&Query { filter, ..keywords(text) }).len()
    };
    assert_eq!((typed("notice"), typed("notice type:txt"), typed("notice type:md")), (2, 2, 0));
    let strict = |text: &str| {
        let query = Query { strict_phrases: true, ..keywords(text) };
        shelf.find(&query).into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    assert_eq!(strict("notice \"three months\""), ["/d/lease.txt"]);
    assert!(strict("notice \"no such phrase\"").is_empty());
    assert_eq!(paths("notice \"no such phrase\"").len(), 3, "a phrase in a question requires nothing");
    let preferred = shelf.find(&keywords("notice \"this draft\""));
    assert_eq!((preferred.len(), preferred[0].0.as_str()), (3, "/d/lease draft.md"));
}

#[test]
fn a_filter_is_applied_inside_the_search() {
    let shelf = Shelf::new();
    // The wanted folder's only passage is worse than hundreds outside of it.
    for i in 0..300 {
        shelf.put(&format!("/d/other/{i}.txt"), &format!("rent rent rent {i}"));
    }
    let wanted = shelf
        .put("/d/wanted/a.txt", "Among many other things this long sentence also mentions the rent once.");
    shelf.settle();
    let filter = Filter { folders: vec!["/d/wanted".into()], ..Filter::default() };
    for query in [hybrid("rent"), keywords("rent"), by_vectors("rent")] {
        let found = shelf.find(&Query { filter: filter.clone(), ..query });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "/d/wanted/a.txt");
    }
    let only = Filter { documents: vec![wanted], ..Filter::default() };
    assert_eq!(shelf.find(&Query { filter: only, ..hybrid("rent") }).len(), 1);
    let none = Filter { exclude: vec![wanted], folders: vec!["/d/wanted".into()], ..Filter::default() };
    assert!(shelf.find(&Query { filter: none, ..hybrid("rent") }).is_empty());
}

#[test]
fn a_filter_names_the_documents_that_lie_under_it() {
    let shelf = Shelf::new();
    for path in ["/d/b.txt", "/d/a.txt", "/d/box.zip!/c.txt", "/dd/e.txt"] {
        shelf.put(path, "Some text.");
    }
    let under = |folder: &str| {
        let filter = Filter { folders: vec![folder.into()], ..Filter::default() };
        let records = shelf.index().documents(&filter).unwrap();
        records.into_iter().map(|record| record.path).collect::<Vec<_>>()
    };
    assert_eq!(under("/d"), ["/d/a.txt", "/d/b.txt", "/d/box.zip!/c.txt"]);
    assert_eq!(under("/d/a.txt"), ["/d/a.txt"]);
    assert_eq!(under("/d/box.zip"), ["/d/box.zip!/c.txt"]);
    assert_eq!(shelf.index().documents(&Filter::default()).unwrap(), shelf.index().files().unwrap());
}

#[test]
fn duplicates_collapse_and_documents_are_capped() {
    let shelf = Shelf::new();
    let clause = "The tenant may end this lease at the end of any month by giving the landlord written notice of \
        30 days, and shall return the keys of the house on the last day of the lease";
    shelf.add("/d/v1.txt", clause);
    shelf.add("/d/v1 copy.txt", clause);
    shelf.add("/d/v2.txt", &clause.replace("30", "60"));
    let query = Query { collapse_duplicates: true, ..hybrid("tenant notice") };
    let mut found: Vec<_> = shelf.find(&query).into_iter().map(|(_, text)| text).collect();
    found.sort();
    assert_eq!(found, [clause.to_owned(), clause.replace("30", "60")], "an amended number stays visible");

    shelf.add("/d/long.txt", "Tenant one.\n\nTenant two.\n\nTenant three.\n\nTenant four.");
    let found = shelf.find(&Query { per_document: Some(2), ..hybrid("tenant") });
    assert_eq!(found.iter().filter(|(path, _)| path == "/d/long.txt").count(), 2);
}

#[test]
fn neighbours_and_passages_are_in_order() {
    let shelf = Shelf::new();
    let id = shelf.add("/d/a.txt", "One.\n\nTwo.\n\nThree.\n\nFour.");
    let passages = shelf.index().passages(id).unwrap();
    let texts = |passages: &[carrel_corpus::Passage]| {
        passages.iter().map(|passage| passage.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&passages), ["One.", "Two.", "Three.", "Four."]);
    assert_eq!(texts(&shelf.index().neighbours(passages[1].chunk, 1).unwrap()), ["One.", "Two.", "Three."]);
    assert_eq!(shelf.index().neighbours(passages[0].chunk, usize::MAX).unwrap().len(), 4);
}

#[test]
fn anything_can_be_typed() {
    let shelf = Shelf::new();
    shelf.add("/d/a.txt", "Some text.");
    for text in ["", " ", "\"", "-", "type:", "\0", "a\u{301}", "(((", "*", "\"some text", "-\"\"", "🙂"] {
        shelf.index().search(&hybrid(text)).unwrap();
    }
    let foreign = Query { vector: Some(vec![1.0]), ..hybrid("text") };
    assert_eq!(shelf.find(&foreign).len(), 1, "a vector of another embedder is left out of account");
}

#[test]
fn past_the_threshold_an_approximate_index_finds_nearly_what_a_scan_finds() {
    let exact = Shelf::new();
    let approximate = Shelf::tuned(Tuning { exact_up_to: 500, append_rows: 100 });
    let words: Vec<String> = (0..400).map(|i| format!("word{}", (i * 7919) % 400)).collect();
    let text =
        |i: usize| (0..12).map(|k| words[(i * 31 + k * k * 17 + i * k) % 400].as_str()).collect::<Vec<_>>();
    for shelf in [&exact, &approximate] {
        for i in 0..600 {
            shelf.put(&format!("/d/{}/{i}.txt", i % 3), &text(i).join(" "));
        }
        shelf.settle();
    }
    approximate.put("/d/0/late.txt", "zebra crossing");
    approximate.settle();
    assert_eq!(approximate.find(&by_vectors("zebra crossing"))[0].0, "/d/0/late.txt");
    approximate.index().remove(&["/d/0/late.txt".into()]).unwrap();
    approximate.settle();

    let (mut common, mut wanted) = (0, 0);
    for i in 0..40 {
        let mut query = by_vectors(&text(i * 13 + 5)[2..9].join(" "));
        if i % 2 == 1 {
            query.filter.folders = vec!["/d/1".into()];
        }
        let (best, found) = (exact.find(&query), approximate.find(&query));
        wanted += best.len();
        common += best.iter().filter(|passage| found.contains(passage)).count();
    }
    assert!(common * 100 >= wanted * 99, "{common} of {wanted}");
    assert_eq!(approximate.index().integrity().unwrap().problems, [""; 0]);
    approximate.index().erase().unwrap();
    assert_eq!(approximate.index().integrity().unwrap().problems, [""; 0]);
}

#[test]
fn an_index_is_searched_as_long_as_it_finds_what_a_scan_finds() {
    let exact = Shelf::new();
    let approximate = Shelf::tuned(Tuning { exact_up_to: 2_000, append_rows: 10_000 });
    let both = [&exact, &approximate];
    // Six subjects with words of their own, and texts that have something of all of them.
    let on_one = |i: usize| format!("s{0}a s{0}b s{0}c s{0}d s{0}e s{0}f n{1} m{2}", i % 6, i, i * 7 % 1_000);
    let on_all = |i: usize| {
        let word =
            |k: usize| format!("s{}{}", i / 6usize.pow(k as u32) % 6, ["a", "b", "c", "d", "e", "f"][k]);
        (0..6).map(word).collect::<Vec<_>>().join(" ") + &format!(" n{i}")
    };
    let fill = |path: &str, texts: Vec<String>| {
        for shelf in both {
            shelf.put(path, &texts.join("\n\n"));
            shelf.settle();
        }
    };
    let agree = |text: &dyn Fn(usize) -> String| {
        let pairs = (0..30).map(|i| {
            let query = by_vectors(&text(i * 101 + 3));
            let [best, found] = both.map(|shelf| shelf.index().search(&query).unwrap());
            // Of several that are equally near any will do.
            let least = best.last().unwrap().similarity.unwrap() - 1e-4;
            (found.iter().filter(|passage| passage.similarity.unwrap() >= least).count(), best.len())
        });
        let (common, wanted) = pairs.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        // How many are found is made sure of for the library as a whole, not for each kind of text in it.
        assert!(common * 100 >= wanted * 95, "{common} of {wanted}");
    };
    fill("/d/one.txt", (0..6_200).map(on_one).collect());
    agree(&on_one);
    fill("/d/all.txt", (0..2_000).map(|i| on_all(i * 23)).collect());
    agree(&on_one);
    agree(&on_all);
    for shelf in both {
        shelf.index().remove(&["/d/all.txt".into()]).unwrap();
        shelf.index().erase().unwrap();
    }
    agree(&on_one);
    assert_eq!(approximate.index().integrity().unwrap().problems, [""; 0]);
    approximate.index().remove(&["/d/one.txt".into()]).unwrap();
    approximate.index().erase().unwrap();
    assert_eq!(approximate.find(&by_vectors("s1a s1b")), []);
}
