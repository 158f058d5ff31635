//! Registries: examples from their publishers, generated numbers, and what their check digits guarantee.

use domain::registry::Registry;
use proptest::prelude::*;

fn ok(registry: Registry, value: &str) -> String {
    registry
        .normalise(value)
        .unwrap_or_else(|error| panic!("{registry} {value}: {error}"))
}

fn code(registry: Registry, value: &str) -> &'static str {
    registry.normalise(value).expect_err(value).code()
}

/// The number completed by the one check digit that is accepted. Fails if none or several are.
fn completed(registry: Registry, payload: &str) -> String {
    let fitting: Vec<_> = (0..10)
        .map(|digit| format!("{payload}{digit}"))
        .filter(|text| registry.normalise(text).is_ok())
        .collect();
    assert_eq!(fitting.len(), 1, "{registry} {payload}: {fitting:?}");
    fitting.into_iter().next().unwrap()
}

#[test]
fn names_are_read_in_any_case_and_unknown_ones_list_the_known() {
    assert_eq!(Registry::from_name(" sisbov "), Ok(Registry::Sisbov));
    for registry in Registry::ALL {
        assert_eq!(Registry::from_name(registry.as_str()), Ok(*registry));
    }
    let text = Registry::from_name("RENAVAM").unwrap_err().to_string();
    assert!(
        text.contains("`RENAVAM`")
            && text.contains("SISBOV, CPF, CNPJ, CAR, NIRF, RFID, GTIN, SGTIN, GLN, SSCC, LOT")
    );
}

#[test]
fn cpf() {
    // 111.444.777-35 is the worked example of the algorithm in common use.
    assert_eq!(ok(Registry::Cpf, "111.444.777-35"), "11144477735");
    assert_eq!(code(Registry::Cpf, "111.444.777-53"), "wrong_check_digit");
    assert_eq!(code(Registry::Cpf, "11111111111"), "malformed");
    assert_eq!(code(Registry::Cpf, "1114447773"), "wrong_length");
    assert_eq!(code(Registry::Cpf, "1114447773x"), "bad_character");
}

#[test]
fn cnpj_numeric_and_alphanumeric() {
    // 00.000.000/0001-91 is Banco do Brasil; 12.ABC.345/01DE-35 is the example of the Federal Revenue's technical note.
    assert_eq!(ok(Registry::Cnpj, "00.000.000/0001-91"), "00000000000191");
    assert_eq!(ok(Registry::Cnpj, "12.abc.345/01de-35"), "12ABC34501DE35");
    assert_eq!(code(Registry::Cnpj, "12ABC34501DE36"), "wrong_check_digit");
    assert_eq!(code(Registry::Cnpj, "12ABC34501DEA5"), "bad_character");
    assert_eq!(code(Registry::Cnpj, "00000000000000"), "malformed");
    assert_eq!(code(Registry::Cnpj, "12ABC34501D"), "wrong_length");
    assert_eq!(code(Registry::Cnpj, "12ÀBC34501DE35"), "bad_character");
}

#[test]
fn nirf() {
    // The first and the last number ever issued, as the Federal Revenue's page on the CAFIR identifier names them.
    assert_eq!(ok(Registry::Nirf, "0.000.001-9"), "00000019");
    assert_eq!(ok(Registry::Nirf, "9.999.999-4"), "99999994");
    assert_eq!(code(Registry::Nirf, "9.999.999-5"), "wrong_check_digit");
    assert_eq!(code(Registry::Nirf, "0.000.000-0"), "malformed");
}

#[test]
fn sisbov() {
    // Worked by hand: 1*2 + 5*3 + 3*4 + 6*5 + 7*6 = 101, which is 2 modulo 11, so the check digit is 11 - 2.
    let number = completed(Registry::Sisbov, "07635000000001");
    assert_eq!(ok(Registry::Sisbov, &format!("BR {number}")), number);
    assert_eq!(number, "076350000000019");
    assert_eq!(code(Registry::Sisbov, "000350000000010"), "malformed");
    assert_eq!(code(Registry::Sisbov, "07635000000001"), "wrong_length");
}

#[test]
fn car() {
    let value = "SP-3550308-0123.4567.89AB.CDEF.0123.4567.89ab.cdef";
    assert_eq!(
        ok(Registry::Car, value),
        "SP-3550308-0123456789ABCDEF0123456789ABCDEF"
    );
    assert_eq!(
        code(Registry::Car, "MT-3550308-0123456789ABCDEF0123456789ABCDEF"),
        "malformed"
    );
    assert_eq!(
        code(Registry::Car, "XX-3550308-0123456789ABCDEF0123456789ABCDEF"),
        "malformed"
    );
    assert_eq!(
        code(Registry::Car, "SP-35503O8-0123456789ABCDEF0123456789ABCDEF"),
        "bad_character"
    );
    assert_eq!(
        code(Registry::Car, "SP-3550308-0123456789ABCDEF0123456789ABCDEG"),
        "bad_character"
    );
    assert_eq!(code(Registry::Car, "SP-3550308-0123"), "wrong_length");
}

#[test]
fn rfid() {
    assert_eq!(ok(Registry::Rfid, "076 000012345678"), "076000012345678");
    assert_eq!(ok(Registry::Rfid, "982274877906943"), "982274877906943");
    assert_eq!(code(Registry::Rfid, "982274877906944"), "malformed");
    assert_eq!(code(Registry::Rfid, "999000000000001"), "malformed");
    assert_eq!(code(Registry::Rfid, "000000000000001"), "malformed");
    assert_eq!(code(Registry::Rfid, "076000000000000"), "malformed");
    assert_eq!(code(Registry::Rfid, "76000012345678"), "wrong_length");
}

#[test]
fn gs1_keys() {
    // 6291041500213 and 614141123452 are examples of GS1's check digit page and of the EPC Tag Data Standard.
    assert_eq!(ok(Registry::Gtin, "6291041500213"), "06291041500213");
    assert_eq!(ok(Registry::Gtin, "9638-5074"), "00000096385074");
    assert_eq!(ok(Registry::Gtin, "036000291452"), "00036000291452");
    assert_eq!(ok(Registry::Gtin, "80614141123458"), "80614141123458");
    assert_eq!(code(Registry::Gtin, "6291041500214"), "wrong_check_digit");
    assert_eq!(code(Registry::Gtin, "629104150021"), "wrong_check_digit");
    assert_eq!(code(Registry::Gtin, "62910415002"), "wrong_length");
    assert_eq!(code(Registry::Gtin, "00000000"), "malformed");
    assert_eq!(ok(Registry::Gln, "0614141123452"), "0614141123452");
    assert_eq!(ok(Registry::Sscc, "(00)106141412345678908"), "106141412345678908");
    assert_eq!(code(Registry::Sscc, "106141412345678909"), "wrong_check_digit");
}

#[test]
fn every_form_of_an_sgtin_gives_the_same() {
    // The EPC Tag Data Standard's own example (section 7.1): urn:epc:id:sgtin:0614141.812345.6789.
    let bare = "(01)80614141123458(21)6789";
    for form in [
        bare,
        "urn:epc:id:sgtin:0614141.812345.6789",
        "https://id.gs1.org/01/80614141123458/21/6789",
        "0180614141123458216789",
        "80614141123458.6789",
    ] {
        assert_eq!(ok(Registry::Sgtin, form), bare, "{form}");
    }
    assert_eq!(
        code(Registry::Sgtin, "(01)80614141123459(21)6789"),
        "wrong_check_digit"
    );
    assert_eq!(code(Registry::Sgtin, "(01)80614141123458(21)"), "wrong_length");
    assert_eq!(
        code(Registry::Sgtin, "(01)80614141123458(21)123456789012345678901"),
        "wrong_length"
    );
    assert_eq!(code(Registry::Sgtin, "80614141123458"), "malformed");
    assert_eq!(
        code(Registry::Sgtin, "urn:epc:id:sgtin:0614141.81234.6789"),
        "malformed"
    );
}

#[test]
fn lots_hold_the_characters_gs1_allows() {
    assert_eq!(ok(Registry::Lot, " (10)L-2026/03 ".trim()), "L-2026/03");
    assert_eq!(
        ok(Registry::Lot, "ABC-12345678901234#".trim_end_matches('#')),
        "ABC-12345678901234"
    );
    assert_eq!(code(Registry::Lot, "LOT 1"), "bad_character");
    assert_eq!(code(Registry::Lot, "123456789012345678901"), "wrong_length");
    assert_eq!(code(Registry::Lot, "(10)"), "wrong_length");
}

/// Registries whose last digit alone checks the rest, and how long their payload is.
const ONE_CHECK_DIGIT: [(Registry, usize); 6] = [
    (Registry::Sisbov, 14),
    (Registry::Nirf, 7),
    (Registry::Gtin, 12),
    (Registry::Gln, 12),
    (Registry::Sscc, 17),
    (Registry::Gtin, 13),
];

/// CPF and CNPJ completed with the two check digits that are accepted.
fn completed_by_two(registry: Registry, payload: &str) -> Option<String> {
    let mut fitting = (0..100)
        .map(|pair| format!("{payload}{pair:02}"))
        .filter(|text| registry.normalise(text).is_ok());
    let found = fitting.next();
    assert_eq!(fitting.next(), None);
    found
}

fn with_digit(text: &str, place: usize, digit: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let changed = std::mem::replace(&mut bytes[place], b'0' + digit) != b'0' + digit;
    changed.then(|| String::from_utf8(bytes).unwrap())
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn each_payload_has_one_check_digit(which in 0usize..6, digits in proptest::collection::vec(1u8..10, 17)) {
        let (registry, length) = ONE_CHECK_DIGIT[which];
        let payload: String = digits[..length].iter().map(ToString::to_string).collect();
        let number = completed(registry, &payload);
        // The bare form is a fixed point.
        let bare = ok(registry, &number);
        prop_assert_eq!(ok(registry, &bare), bare);
    }

    /// Modulo 10 with weights 3 and 1: any single wrong digit is caught, for 3 and 1 have inverses modulo 10.
    #[test]
    fn gs1_catches_any_wrong_digit(digits in proptest::collection::vec(1u8..10, 17), place in 0usize..18, wrong in 0u8..10) {
        for (registry, length) in [(Registry::Gtin, 13), (Registry::Gln, 12), (Registry::Sscc, 17)] {
            let payload: String = digits[..length].iter().map(ToString::to_string).collect();
            let number = completed(registry, &payload);
            if let Some(changed) = with_digit(&number, place % number.len(), wrong) {
                prop_assert_eq!(code(registry, &changed), "wrong_check_digit");
            }
        }
    }

    /// Modulo 11 with remainders 0 and 1 both giving 0: a wrong digit is caught unless it moves one to the other, that is
    /// unless the check digit is 0.
    #[test]
    fn brazilian_numbers_catch_wrong_digits(digits in proptest::collection::vec(1u8..10, 14), place in 0usize..15, wrong in 0u8..10) {
        for (registry, length) in [(Registry::Sisbov, 14), (Registry::Nirf, 7)] {
            let payload: String = digits[..length].iter().map(ToString::to_string).collect();
            let number = completed(registry, &payload);
            let Some(changed) = with_digit(&number, place % number.len(), wrong) else { continue };
            let missed = registry.normalise(&changed).is_ok();
            prop_assert!(!missed || number.ends_with('0'), "{} {} {}", registry, number, changed);
        }
    }

    /// Two check digits: a wrong digit in the payload passes only if both are 0 before and after.
    #[test]
    fn taxpayer_numbers_catch_wrong_digits(digits in proptest::collection::vec(1u8..10, 12), place in 0usize..14, wrong in 0u8..10) {
        for (registry, length) in [(Registry::Cpf, 9), (Registry::Cnpj, 12)] {
            let payload: String = digits[..length].iter().map(ToString::to_string).collect();
            let Some(number) = completed_by_two(registry, &payload) else { continue };
            let Some(changed) = with_digit(&number, place % number.len(), wrong) else { continue };
            let missed = registry.normalise(&changed).is_ok();
            prop_assert!(!missed || number.ends_with('0') || number[length..].starts_with('0'), "{} {} {}", registry, number, changed);
        }
    }

    #[test]
    fn alphanumeric_cnpj_has_one_pair_of_check_digits(payload in "[0-9A-Z]{11}[A-Z]") {
        let number = completed_by_two(Registry::Cnpj, &payload).expect("each payload has check digits");
        prop_assert_eq!(ok(Registry::Cnpj, &number.to_lowercase()), number);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,60}") {
        for registry in Registry::ALL {
            if let Ok(bare) = registry.normalise(&text) {
                prop_assert_eq!(registry.normalise(&bare), Ok(bare.clone()));
            }
        }
    }
}
