//! Choosing the next token.

use carrel_corpus::Sampling;

/// Logits this far below the best one have a probability below 10^-10 and are never chosen.
const NEGLIGIBLE: f32 = 25.0;

/// Chooses tokens by the settings of one request.
pub(crate) struct Sampler {
    settings: Sampling,
    random: Random,
    /// The tokens written so far, for the penalty.
    written: Vec<u32>,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    pub(crate) fn new(settings: &Sampling) -> Sampler {
        Sampler {
            settings: settings.clone(),
            random: Random::new(settings.seed),
            written: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// Whether the likeliest token is always chosen, so that a guess at it can be checked in advance.
    pub(crate) fn is_greedy(&self) -> bool {
        self.settings.temperature <= 0.0
    }

    /// The next token, of those that `allowed` lets through. `None` where it lets none through.
    pub(crate) fn choose(&mut self, logits: &[f32], allowed: Option<&dyn Fn(u32) -> bool>) -> Option<u32> {
        let token = match self.is_greedy() {
            true => self.likeliest(logits, allowed),
            false => self.draw(logits, allowed),
        };
        if self.settings.repeat_penalty != 1.0
            && let Some(token) = token.filter(|token| !self.written.contains(token))
        {
            self.written.push(token);
        }
        token
    }

    /// Lowers what has been written already, as the CTRL paper (Keskar et al. 2019) does.
    fn penalised(&self, token: u32, logit: f32) -> f32 {
        let penalty = self.settings.repeat_penalty;
        if penalty == 1.0 || !self.written.contains(&token) {
            logit
        } else if logit > 0.0 {
            logit / penalty
        } else {
            logit * penalty
        }
    }

    /// The greatest logit; of equal ones that of the lowest token.
    fn likeliest(&self, logits: &[f32], allowed: Option<&dyn Fn(u32) -> bool>) -> Option<u32> {
        let mut best: Option<(u32, f32)> = None;
        for (token, &logit) in (0u32..).zip(logits) {
            if best.is_some_and(|best| logit <= best.1) || !allowed.is_none_or(|allowed| allowed(token)) {
                // A penalty above 1 only lowers a logit, one below 1 is not in use.
                continue;
            }
            let logit = self.penalised(token, logit);
            if best.is_none_or(|best| logit > best.1) {
                best = Some((token, logit));
            }
        }
        best.map(|best| best.0)
    }

    fn draw(&mut self, logits: &[f32], allowed: Option<&dyn Fn(u32) -> bool>) -> Option<u32> {
        let mut candidates = std::mem::take(&mut self.candidates);
        self.shortlist(logits, allowed, &mut candidates);
        let token = self.pick(&candidates);
        self.candidates = candidates;
        token
    }

    /// Candidates and their logits, likeliest first: top-k, then top-p, then min-p.
    fn shortlist(
        &self,
        logits: &[f32],
        allowed: Option<&dyn Fn(u32) -> bool>,
        candidates: &mut Vec<(u32, f32)>,
    ) {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.settings;
        candidates.clear();
        let pairs = (0u32..).zip(logits).map(|(token, &logit)| (token, self.penalised(token, logit)));
        candidates.extend(pairs.filter(|pair| pair.1.is_finite() && allowed.is_none_or(|fine| fine(pair.0))));
        let best = candidates.iter().map(|pair| pair.1).fold(f32::NEG_INFINITY, f32::max);
        candidates.retain(|pair| pair.1 >= best - NEGLIGIBLE * temperature.max(1.0));
        candidates.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if top_k > 0 {
            candidates.truncate(top_k);
        }
        let weights: Vec<f32> = candidates.iter().map(|pair| (pair.1 - best).exp()).collect();
        let total: f32 = weights.iter().sum();
        let mut reached = 0.0;
        let nucleus = weights.iter().position(|weight| {
            reached += weight;
            top_p < 1.0 && reached >= top_p * total
        });
        let likely = weights.iter().take_while(|&&weight| weight >= min_p).count();
        candidates.truncate(likely.min(nucleus.map_or(usize::MAX, |last| last + 1)).max(1));
    }

    fn pick(&mut self, candidates: &[(u32, f32)]) -> Option<u32> {
        let best = candidates.first()?.1;
        let temperature = self.settings.temperature;
        let weight = |pair: &(u32, f32)| f64::from((pair.1 - best) / temperature).exp();
        let total: f64 = candidates.iter().map(weight).sum();
        let mut left = self.random.unit() * total;
        for pair in candidates {
            left -= weight(pair);
            if left < 0.0 {
                return Some(pair.0);
            }
        }
        candidates.last().map(|pair| pair.0)
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number in `0.0..1.0`.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The logarithm of a token's probability, in nats.
pub(crate) fn log_probability(logits: &[f32], token: u32) -> f32 {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&logit| f64::from(logit - best).exp()).sum();
    let own = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    (f64::from(own - best) - total.ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling() -> Sampling {
        Sampling { temperature: 1.0, seed: 7, ..Sampling::GREEDY }
    }

    /// How often each of four tokens is chosen in a thousand draws.
    fn counts(settings: Sampling) -> [usize; 4] {
        let logits = [0.0, 2.0, 1.0, -1.0];
        let mut sampler = Sampler::new(&settings);
        let mut counts = [0; 4];
        for _ in 0..1000 {
            counts[sampler.choose(&logits, None).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_first_of_equals() {
        let mut sampler = Sampler::new(&Sampling::GREEDY);
        assert_eq!(sampler.choose(&[1.0, 3.0, 3.0, 2.0], None), Some(1));
        assert_eq!(sampler.choose(&[1.0, 3.0, 3.0, 2.0], Some(&|token| token > 2)), Some(3));
        assert_eq!(sampler.choose(&[1.0], Some(&|_| false)), None);
    }

    #[test]
    fn the_penalty_moves_on_from_what_was_written() {
        let mut sampler = Sampler::new(&Sampling { repeat_penalty: 2.0, ..Sampling::GREEDY });
        let chosen: Vec<_> = (0..3).map(|_| sampler.choose(&[-1.0, 3.0, 2.0, -0.9], None).unwrap()).collect();
        assert_eq!(chosen, [1, 2, 1]);
    }

    #[test]
    fn cuts_keep_the_likeliest() {
        assert!(counts(sampling()).iter().all(|&count| count > 0));
        let top_two = counts(Sampling { top_k: 2, ..sampling() });
        assert!(top_two[0] == 0 && top_two[3] == 0 && top_two[2] > 0);
        assert_eq!(counts(Sampling { top_p: 0.5, ..sampling() })[1], 1000);
        let min_p = counts(Sampling { min_p: 0.3, ..sampling() });
        assert!(min_p[0] == 0 && min_p[3] == 0 && min_p[2] > 0);
        assert!(counts(Sampling { temperature: 0.3, ..sampling() })[1] > counts(sampling())[1]);
    }

    #[test]
    fn a_seed_gives_the_same_draws() {
        assert_eq!(counts(sampling()), counts(sampling()));
        assert_ne!(counts(sampling()), counts(Sampling { seed: 8, ..sampling() }));
    }

    #[test]
    fn probabilities_sum_to_one() {
        let logits = [0.3, -2.0, 5.0];
        let total: f32 = (0..3).map(|token| log_probability(&logits, token).exp()).sum();
        assert!((total - 1.0).abs() < 1e-5);
    }
}
