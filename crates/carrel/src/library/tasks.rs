//! Work over whole documents: every one of a scope visited, summarised or put into a table, and two compared.

use carrel_corpus::{Answer, Coverage, DocumentId, Passage, SeamError};
use carrel_generate::tasks::{
    self, Comparison, Criterion, Exhausted, ExhaustiveConfig, Source, SummaryConfig, Table, TableConfig,
    Watcher,
};
use carrel_index::{Filter, Query, parse_query};

use super::{Error, Library, RETRIEVED, Scope};
use crate::audit;

/// What a visit to every document of a scope found.
#[derive(Clone, Debug)]
pub struct Visit {
    /// As it was typed.
    pub question: String,
    /// What each document was looked through for.
    pub criterion: Criterion,
    /// Documents in the scope. Each has its row in `found`, unless the visit was broken off.
    pub total: usize,
    pub found: Exhausted,
    pub coverage: Coverage,
}

impl Library {
    /// Answers a question about every document of `scope` by visiting every one. A text that is no such question is taken for what the documents are to say. Breaking from `watch` ends
    /// the visit with what it has, and the next visit for the same goes on from there.
    ///
    /// # Errors
    /// [`Error::NoText`] where no document there has text; fails when a model or the index does.
    pub fn visit(&self, question: &str, scope: &Scope, watch: &mut Watcher<'_>) -> Result<Visit, Error> {
        let text = question.trim();
        if text.is_empty() {
            return Err(Error::EmptyQuestion);
        }
        let criterion = tasks::asks_for_all(text).unwrap_or_else(|| Criterion::of(text));
        let visit = self.visit_for(question, criterion, scope, watch)?;
        audit::record_visit(&self.index, &visit, self.generator()?.id())?;
        Ok(visit)
    }

    /// The visit itself, of which nothing is kept.
    ///
    /// # Errors
    /// As [`Library::visit`].
    pub fn visit_for(
        &self,
        question: &str,
        criterion: Criterion,
        scope: &Scope,
        watch: &mut Watcher<'_>,
    ) -> Result<Visit, Error> {
        let _quiet = self.gate.enter();
        let filter = self.scoped(scope)?;
        let documents = self.sources(&filter)?;
        let generator = self.generator()?;
        let job = self.job(&["list", &criterion.text, generator.id()]);
        let mut found = self.resume_visit(&job, &documents)?;
        let visited = tasks::exhaustive(
            &criterion,
            &documents,
            &ExhaustiveConfig::default(),
            &mut found,
            &mut |document, query| self.passages_of(document, query),
            (&*generator, &*self.embedder),
            watch,
        );
        self.keep_visit(&job, documents.len(), &found)?;
        visited?;
        Ok(Visit {
            question: question.to_owned(),
            criterion,
            total: documents.len(),
            found,
            coverage: self.index.coverage(&filter)?,
        })
    }

    /// The most telling points of the documents beneath `path`, each with its citations. Breaking from `watch` ends
    /// the reading, and the summary is of what was read; the next summary of the same goes on from there.
    ///
    /// # Errors
    /// [`Error::NoText`] where no document there has text; fails when a model or the index does.
    pub fn summarise(&self, path: &str, watch: &mut Watcher<'_>) -> Result<Answer, Error> {
        let _quiet = self.gate.enter();
        let filter = beneath(&[path.to_owned()]);
        let documents = self.sources(&filter)?;
        let mut coverage = self.index.coverage(&filter)?;
        // Every passage is read, whether or not it has a vector yet.
        coverage.embedded = coverage.chunks;
        let generator = self.generator()?;
        let job = self.job(&["summarise", path, generator.id()]);
        let mut state = self.resume_summary(&job, &documents)?;
        let summary = tasks::summarise(
            &documents,
            coverage,
            &SummaryConfig::default(),
            &mut state,
            &mut |document, query| self.passages_of(document, query),
            (&*generator, &*self.embedder),
            watch,
        );
        self.keep_summary(&job, &state)?;
        let summary = summary?;
        audit::record_summary(&self.index, path, &summary, generator.id())?;
        Ok(summary)
    }

    /// What the documents at two paths say differently, and what only one of them says.
    ///
    /// # Errors
    /// [`Error::NoText`] where there is no document with text at one of them; fails when the embedder or the index
    /// does.
    pub fn compare(&self, first: &str, second: &str) -> Result<Comparison, Error> {
        let _quiet = self.gate.enter();
        let read = |path: &str| {
            let documents = self.sources(&beneath(&[path.to_owned()]))?;
            let source = documents.into_iter().find(|source| source.path == path);
            let source = source.ok_or_else(|| Error::NoText(format!("`{path}`")))?;
            Ok::<_, Error>(self.index.passages(source.document)?)
        };
        let comparison = tasks::compare(&read(first)?, &read(second)?, &*self.embedder)?;
        audit::record_comparison(&self.index, [first, second], &comparison)?;
        Ok(comparison)
    }

    /// A row for each document of `scope`, a column for each property of the
    /// JSON schema `schema`. Breaking from `watch` ends the work with the rows made so far,
    /// from which the same work goes on later.
    ///
    /// # Errors
    /// [`Error::NoText`] where no document there has text; fails when the schema is none of an object, and when a
    /// model or the index fails.
    pub fn tabulate(&self, schema: &str, scope: &Scope, watch: &mut Watcher<'_>) -> Result<Table, Error> {
        let _quiet = self.gate.enter();
        let documents = self.sources(&self.scoped(scope)?)?;
        let generator = self.generator()?;
        let job = self.job(&["table", schema, generator.id()]);
        let mut table = self.resume_table(&job, &documents)?;
        let extracted = tasks::extract_table(
            schema,
            &documents,
            &TableConfig::default(),
            &mut table,
            &mut |document, query| self.passages_of(document, query),
            (&*generator, &*self.embedder),
            watch,
        );
        self.keep_table(&job, documents.len(), &table)?;
        extracted?;
        audit::record_table(&self.index, schema, &table, generator.id())?;
        Ok(table)
    }

    fn scoped(&self, scope: &Scope) -> Result<Filter, Error> {
        Ok(beneath(&self.prefixes(&scope.folders, &scope.paths)?))
    }

    /// The documents with text that `filter` lets through, by path.
    pub(super) fn sources(&self, filter: &Filter) -> Result<Vec<Source>, Error> {
        let mut records = self.index.documents(filter)?;
        records.retain(|record| record.outcome.is_searchable() && record.chunks > 0);
        if records.is_empty() {
            let named: Vec<String> = filter.folders.iter().map(|path| format!("`{path}`")).collect();
            let nowhere = if named.is_empty() { "any document".to_owned() } else { named.join(", ") };
            return Err(Error::NoText(nowhere));
        }
        let source =
            |record: carrel_index::FileRecord| Source { document: record.document, path: record.path };
        Ok(records.into_iter().map(source).collect())
    }

    /// The passages of one document nearest to `query`, best first; without one all, in order.
    pub(super) fn passages_of(
        &self,
        document: DocumentId,
        query: Option<&str>,
    ) -> Result<Vec<Passage>, SeamError> {
        let unreadable =
            |error: carrel_index::Error| SeamError::caused_by("could not read the document", error);
        let Some(query) = query else {
            return self.index.passages(document).map_err(unreadable);
        };
        // What is looked for may hold quotation marks, which must require nothing.
        let words = parse_query(query).words;
        let query = Query {
            vector: Some(self.embedder.query(&words)?),
            ranking: self.ranking(&words),
            text: words,
            filter: Filter { documents: vec![document], ..Filter::default() },
            limit: RETRIEVED,
            per_document: None,
            collapse_duplicates: false,
            strict_phrases: false,
        };
        self.index.search(&query).map_err(unreadable)
    }
}

/// The documents at or beneath any of `paths`; all where there are none.
fn beneath(paths: &[String]) -> Filter {
    Filter { folders: paths.to_vec(), ..Filter::default() }
}
