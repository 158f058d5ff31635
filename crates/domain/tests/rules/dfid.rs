//! DFIDs: the form, what is accepted, and that the check characters catch what they promise to.

use domain::{
    dfid::{ALPHABET, Dfid, DfidError},
    ids::{Day, Timestamp},
};
use proptest::prelude::*;

/// Positions (from 0) of the characters that carry a value.
fn value_positions() -> impl Iterator<Item = usize> {
    (5..13).chain(14..24).chain(25..27)
}

fn any_dfid() -> impl Strategy<Value = Dfid> {
    let days =
        (0u16..=9999, 1u8..=12, 1u8..=31).prop_filter_map("no such day", |(y, m, d)| Day::new(y, m, d));
    (days, any::<[u8; 10]>()).prop_map(|(day, random)| Dfid::new(day, random))
}

fn with(text: &str, position: usize, character: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[position] = character;
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_text_is_the_day_the_random_characters_and_the_check() {
    // Check characters computed by an independent script from the definition in the module's documentation.
    let dfid = Dfid::new(Day::new(2026, 3, 1).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(dfid.to_string(), "DFID-20260301-0123456789-M4");
    assert_eq!(Dfid::parse("DFID-20260301-0123456789-M4"), Ok(dfid));
    assert_eq!(dfid.day().to_string(), "2026-03-01");
}

#[test]
fn the_day_is_the_utc_day_of_the_moment() {
    let last = "2026-02-28T23:59:59.999999Z".parse::<Timestamp>().unwrap();
    assert!(Dfid::new(last, [0; 10]).to_string().starts_with("DFID-20260228-"));
    let next = Timestamp::from_micros(last.micros() + 1);
    assert!(Dfid::new(next, [0; 10]).to_string().starts_with("DFID-20260301-"));
}

#[test]
fn lower_case_and_look_alikes_are_read() {
    let dfid = Dfid::new(
        Day::new(2010, 10, 10).unwrap(),
        [0, 1, 0, 1, 0, 1, 10, 11, 12, 13],
    );
    let text = dfid.to_string();
    assert_eq!(Dfid::parse(&text.to_lowercase()), Ok(dfid));
    let (head, tail) = text.split_at(5);
    for (zero, one) in [('O', 'I'), ('o', 'l'), ('O', 'L'), ('o', 'i')] {
        let confused = tail
            .replace('0', &zero.to_string())
            .replace('1', &one.to_string());
        assert_eq!(Dfid::parse(&format!("{head}{confused}")), Ok(dfid), "{confused}");
    }
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let good = "DFID-20260301-0123456789-M4";
    let error = |text: &str| Dfid::parse(text).unwrap_err();
    let character = |position, found| DfidError::Character { position, found };
    assert_eq!(error("DFID-20260301"), DfidError::Length { found: 13 });
    assert_eq!(error(&format!("{good}0")), DfidError::Length { found: 28 });
    assert_eq!(
        error(&with(good, 2, b'1')),
        DfidError::Prefix {
            position: 3,
            found: '1'
        }
    );
    assert_eq!(
        error(&with(good, 13, b'_')),
        DfidError::Hyphen {
            position: 14,
            found: '_'
        }
    );
    assert_eq!(
        error(&with(good, 6, b'A')),
        DfidError::DayDigit {
            position: 7,
            found: 'A'
        }
    );
    assert_eq!(error(&with(good, 14, b'U')), character(15, 'U'));
    assert_eq!(error(&with(good, 14, b'1')), DfidError::Check);
    assert_eq!(error(&good.replacen('3', "ß", 1)), character(11, 'ß'));
    assert!(
        error(&with(good, 14, b'U'))
            .to_string()
            .contains("character 15 is `U`")
    );
}

#[test]
fn a_day_the_calendar_lacks_is_refused_even_with_fitting_check_characters() {
    // 2026-02-30 with check characters found by trying all 1024.
    let found: Vec<_> = ALPHABET
        .iter()
        .flat_map(|a| {
            ALPHABET
                .iter()
                .map(move |b| format!("DFID-20260230-0123456789-{}{}", *a as char, *b as char))
        })
        .map(|text| Dfid::parse(&text))
        .filter(|parsed| *parsed != Err(DfidError::Check))
        .collect();
    assert_eq!(found, [Err(DfidError::NoSuchDay { found: 20_260_230 })]);
}

/// Check characters worth 0, 1 and 2 would have a twin worth 1021 more, were it not refused: payloads with each are among these.
#[test]
fn each_payload_has_exactly_one_pair_of_check_characters() {
    let day = Day::new(2026, 11, 21).unwrap();
    let all = (0..32u8)
        .flat_map(|a| (0..32u8).map(move |b| Dfid::new(day, [0, 0, 0, 0, 0, 0, 0, 0, a, b]).to_string()));
    let small: Vec<_> = all
        .filter(|text| ["-00", "-01", "-02"].iter().any(|check| text.ends_with(check)))
        .collect();
    assert!(
        small.len() >= 3,
        "the last two random characters reach every check value"
    );
    for text in small {
        let fitting = (0..1024usize).filter(|pair| {
            let candidate = with(&with(&text, 25, ALPHABET[pair / 32]), 26, ALPHABET[pair % 32]);
            Dfid::parse(&candidate).is_ok()
        });
        assert_eq!(fitting.count(), 1, "{text}");
    }
}

/// Every wrong character at every place, and every swap of neighbours, for many DFIDs.
#[test]
fn every_single_wrong_character_and_every_swap_of_neighbours_is_caught() {
    for seed in 0..200u8 {
        let random = std::array::from_fn(|place| seed.wrapping_mul(37).wrapping_add(place as u8 * 11));
        let text = Dfid::new(
            Day::new(2000 + u16::from(seed), seed % 12 + 1, seed % 28 + 1).unwrap(),
            random,
        )
        .to_string();
        for position in 0..text.len() {
            let right = text.as_bytes()[position];
            for wrong in (b'!'..=b'~').filter(|wrong| !same_reading(position, *wrong, right)) {
                let changed = with(&text, position, wrong);
                assert!(
                    Dfid::parse(&changed).is_err(),
                    "{text} and {changed} were both accepted"
                );
            }
        }
        // All neighbours in the text, hyphens included, and the neighbours across each hyphen.
        let pairs = (0..text.len() - 1)
            .map(|left| (left, left + 1))
            .chain([(12, 14), (23, 25)]);
        for (left, right) in pairs {
            let (a, b) = (text.as_bytes()[left], text.as_bytes()[right]);
            let swapped = with(&with(&text, left, b), right, a);
            assert!(
                a == b || Dfid::parse(&swapped).is_err(),
                "{text} and {swapped} were both accepted"
            );
        }
    }
}

/// Whether a reader would take one character for the other: same letter in another case, or O for 0, I and L for 1.
fn same_reading(position: usize, one: u8, other: u8) -> bool {
    let fold = |byte: u8| match byte.to_ascii_uppercase() {
        b'O' if position > 4 => b'0',
        b'I' | b'L' if position > 4 => b'1',
        upper => upper,
    };
    fold(one) == fold(other)
}

#[test]
fn the_weights_differ_so_any_swap_is_caught() {
    // What the module's documentation claims: the twenty powers of 32 are distinct and not zero modulo 1021, a prime.
    let weights: std::collections::BTreeSet<u32> =
        std::iter::successors(Some(1u32), |weight| Some(weight * 32 % 1021))
            .take(20)
            .collect();
    assert_eq!(weights.len(), 20);
    assert!(!weights.contains(&0));
    assert!((2..32).all(|divisor| 1021 % divisor != 0));
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn text_and_back(dfid in any_dfid()) {
        let text = dfid.to_string();
        prop_assert_eq!(Dfid::parse(&text), Ok(dfid));
        prop_assert_eq!(text.len(), 27);
        let json = serde_json::to_string(&dfid).unwrap();
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<Dfid>(&json).unwrap(), dfid);
    }

    #[test]
    fn order_is_the_order_of_the_text(a in any_dfid(), b in any_dfid()) {
        prop_assert_eq!(a.cmp(&b), a.to_string()[..24].cmp(&b.to_string()[..24]));
    }

    #[test]
    fn a_wrong_character_is_caught(dfid in any_dfid(), slot in 0usize..20, wrong in 0usize..32) {
        let text = dfid.to_string();
        let position = value_positions().nth(slot).unwrap();
        prop_assume!(text.as_bytes()[position] != ALPHABET[wrong]);
        prop_assert!(Dfid::parse(&with(&text, position, ALPHABET[wrong])).is_err());
    }

    #[test]
    fn any_swap_is_caught(dfid in any_dfid(), left in 0usize..20, right in 0usize..20) {
        let text = dfid.to_string();
        let (left, right) = (value_positions().nth(left).unwrap(), value_positions().nth(right).unwrap());
        let (a, b) = (text.as_bytes()[left], text.as_bytes()[right]);
        prop_assume!(a != b);
        prop_assert!(Dfid::parse(&with(&with(&text, left, b), right, a)).is_err());
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}") {
        let _ = Dfid::parse(&text);
    }
}
