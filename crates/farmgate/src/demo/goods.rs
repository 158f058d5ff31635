//! The goods of the demonstration: plots, cattle lots, coffee lots and what happened to them over two years.
//!
//! A pure generator: the same seed and the same day give the same goods, however many are taken, and nothing is held
//! but its random source. What becomes of them stands in [`super`].

use std::time::Duration;

use app::local_items::NewLocalItem;
use domain::{identifier::NewIdentifier, ids::Timestamp, registry::Registry};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// How far back the first movement may lie.
pub const SPAN: Duration = Duration::from_secs(730 * DAY);
const BREEDS: [&str; 5] = ["nelore", "angus", "brahman", "senepol", "girolando"];
const VARIETIES: [&str; 4] = ["catuai", "mundo novo", "bourbon", "acaia"];
/// Farms of the south of Minas Gerais with the IBGE numbers of their municipalities.
const FARMS: [(&str, u32); 6] = [
    ("Santa Rita", 3_157_203),
    ("Boa Vista", 3_169_406),
    ("Serra Azul", 3_128_709),
    ("Tres Irmaos", 3_170_701),
    ("Agua Limpa", 3_116_605),
    ("Sao Jorge", 3_139_409),
];
/// Each farm has a pasture and a coffee plot; they come before all lots.
pub const PLOTS: usize = FARMS.len() * 2;
const CATTLE_STEPS: [&str; 6] = ["born", "vaccinated", "weighed", "moved", "inspected", "shipped"];
const COFFEE_STEPS: [&str; 6] = ["flowered", "harvested", "dried", "milled", "bagged", "shipped"];

/// An item, and what happened to it.
#[derive(Debug)]
pub struct Good {
    /// The item.
    pub item: NewLocalItem,
    /// What happened, in order.
    pub movements: Vec<Movement>,
}

/// Something that happened.
#[derive(Debug)]
pub struct Movement {
    /// What.
    pub step: &'static str,
    /// When.
    pub at: Timestamp,
    /// Where, and what was measured.
    pub data: Value,
}

/// Makes goods without end.
pub struct Goods {
    random: ChaCha8Rng,
    number: usize,
    animals: usize,
    /// The moment after the last movement.
    until: Timestamp,
    plots: Vec<String>,
}

impl Goods {
    /// Goods whose two years end with the day of `now`.
    pub fn new(seed: u64, now: Timestamp) -> Self {
        let secs = now.secs();
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            number: 0,
            animals: 0,
            until: Timestamp::from_secs(secs - secs.rem_euclid(DAY.cast_signed())),
            plots: Vec::with_capacity(PLOTS),
        }
    }

    fn plot(&mut self) -> Good {
        let (farm, municipality) = FARMS[self.number / 2];
        let coffee = self.number % 2 == 1;
        let code: u128 = self.random.random();
        let car = format!("MG-{municipality}-{code:032X}");
        self.plots.push(car.clone());
        let data = json!({
            "kind": if coffee { "coffee plot" } else { "pasture" },
            "farm": farm,
            "area_ha": self.random.random_range(8..400),
            "latitude": self.degrees(-22.5..-20.5),
            "longitude": self.degrees(-46.5..-44.5),
        });
        let identifiers = vec![canonical(
            if coffee { "cafe" } else { "bovino" },
            Registry::Car,
            car,
        )];
        let movements = self.movements(&["surveyed"], farm);
        good(
            format!("plot-{:02}", self.number + 1),
            identifiers,
            data,
            movements,
        )
    }

    fn cattle(&mut self) -> Good {
        let farm = self.random.random_range(0..FARMS.len());
        let heads = self.random.random_range(1..=3);
        let numbers: Vec<String> = (0..heads).map(|_| self.sisbov()).collect();
        let tag = contextual("bovino", "cattle_lot", format!("GADO-{:06}", self.number + 1));
        let tags = numbers
            .into_iter()
            .map(|number| canonical("bovino", Registry::Sisbov, number));
        let identifiers = [tag].into_iter().chain(tags).collect();
        let movements = self.movements(&CATTLE_STEPS, FARMS[farm].0);
        let data = json!({
            "kind": "cattle lot",
            "farm": FARMS[farm].0,
            "plot": self.plots[farm * 2],
            "heads": heads,
            "breed": self.one_of(&BREEDS),
            "mean_weight_kg": self.random.random_range(180..620),
        });
        good(
            format!("cattle-{:06}", self.number + 1),
            identifiers,
            data,
            movements,
        )
    }

    fn coffee(&mut self) -> Good {
        let farm = self.random.random_range(0..FARMS.len());
        let lot = contextual("cafe", "coffee_lot", format!("CAFE-{:06}", self.number + 1));
        let movements = self.movements(&COFFEE_STEPS, FARMS[farm].0);
        let data = json!({
            "kind": "coffee lot",
            "farm": FARMS[farm].0,
            "plot": self.plots[farm * 2 + 1],
            "variety": self.one_of(&VARIETIES),
            "bags": self.random.random_range(10..320),
            "score": f64::from(self.random.random_range(320..368)) / 4.0,
        });
        good(
            format!("coffee-{:06}", self.number + 1),
            vec![lot],
            data,
            movements,
        )
    }

    /// The first few of these steps, at rising moments within the two years.
    fn movements(&mut self, steps: &[&'static str], farm: &str) -> Vec<Movement> {
        let count = self.random.random_range(1..=steps.len());
        let mut hours: Vec<u64> = (0..count)
            .map(|_| self.random.random_range(1..SPAN.as_secs() / HOUR))
            .collect();
        hours.sort_unstable_by(|one, other| other.cmp(one));
        let steps = steps.iter().zip(hours);
        steps
            .map(|(step, hours)| Movement {
                step,
                at: self.until.minus(Duration::from_secs(hours * HOUR)),
                data: json!({"place": farm}),
            })
            .collect()
    }

    /// The next SISBOV number: Brazil, Minas Gerais, the animal, and the check digit that the registry accepts.
    fn sisbov(&mut self) -> String {
        self.animals += 1;
        let stem = format!("07631{:09}", self.animals);
        let candidates = (0..10).map(|digit| format!("{stem}{digit}"));
        let mut sound = candidates.filter(|candidate| Registry::Sisbov.normalise(candidate).is_ok());
        // Every stem has its check digit; without one the item would be refused, and the demonstration with it.
        sound.next().unwrap_or(stem)
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.random.random_range(0..words.len())]
    }

    /// Five decimals: about a metre.
    fn degrees(&mut self, range: std::ops::Range<f64>) -> f64 {
        (self.random.random_range(range) * 1e5).round() / 1e5
    }
}

impl Iterator for Goods {
    type Item = Good;

    fn next(&mut self) -> Option<Good> {
        let good = if self.number < PLOTS {
            self.plot()
        } else if self.random.random_ratio(3, 4) {
            self.cattle()
        } else {
            self.coffee()
        };
        self.number += 1;
        Some(good)
    }
}

fn good(local_id: String, identifiers: Vec<NewIdentifier>, data: Value, movements: Vec<Movement>) -> Good {
    Good {
        item: NewLocalItem {
            local_id: Some(local_id),
            identifiers,
            enriched_data: Some(data),
        },
        movements,
    }
}

fn canonical(namespace: &str, registry: Registry, value: String) -> NewIdentifier {
    NewIdentifier {
        registry: Some(registry.as_str().to_owned()),
        ..contextual(namespace, &registry.as_str().to_ascii_lowercase(), value)
    }
}

fn contextual(namespace: &str, key: &str, value: String) -> NewIdentifier {
    NewIdentifier {
        namespace: Some(namespace.to_owned()),
        key: key.to_owned(),
        value,
        registry: None,
        scope: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A moment in the middle of a day.
    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn text(seed: u64, now: Timestamp, count: usize) -> Vec<String> {
        let goods = Goods::new(seed, now).take(count);
        goods.map(|good| format!("{good:?}")).collect()
    }

    #[test]
    fn the_same_seed_and_day_make_the_same_goods_however_many() {
        let many = text(7, NOW, 500);
        assert_eq!(many[..40], text(7, NOW.plus(Duration::from_secs(60)), 40));
        assert_ne!(many[..40], text(8, NOW, 40));
        assert_ne!(many[..40], text(7, NOW.plus(SPAN), 40));
    }

    #[test]
    fn every_good_keeps_the_rules_of_the_platform() {
        let (mut numbers, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        for good in Goods::new(7, NOW).take(2_000) {
            app::local_items::check_new(&good.item).unwrap();
            let data = good.item.enriched_data.as_ref().unwrap();
            kinds.insert(data["kind"].as_str().unwrap().to_owned());
            for identifier in &good.item.identifiers {
                let new = numbers.insert((identifier.key.clone(), identifier.value.clone()));
                assert!(new, "{identifier:?} is there twice");
            }
        }
        let all = ["cattle lot", "coffee lot", "coffee plot", "pasture"];
        assert_eq!(kinds, all.map(str::to_owned).into());
        let sisbov: Vec<_> = numbers.iter().filter(|(key, _)| key == "sisbov").collect();
        assert!(sisbov.len() > 2_000);
        assert!(
            sisbov
                .iter()
                .all(|(_, value)| Registry::Sisbov.normalise(value).is_ok())
        );
    }

    #[test]
    fn movements_rise_within_two_years() {
        let mut earliest = NOW;
        for good in Goods::new(7, NOW).take(2_000) {
            let times: Vec<_> = good.movements.iter().map(|movement| movement.at).collect();
            assert!(times.is_sorted() && !times.is_empty());
            assert!(
                times
                    .iter()
                    .all(|at| *at < NOW && NOW.since(*at) <= SPAN + Duration::from_secs(DAY))
            );
            earliest = earliest.min(times[0]);
        }
        assert!(NOW.since(earliest) > SPAN.mul_f64(0.9), "{earliest}");
    }
}
