//! Ids and moments: their text and back, and what is refused.

use domain::ids::{ApiKeyId, Day, IdSource, Timestamp, UserId, WorkspaceId};
use proptest::prelude::*;
use uuid::Uuid;

/// A source that counts.
struct Counting(std::sync::atomic::AtomicU64);

impl IdSource for Counting {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        ))
    }

    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.uuid().as_bytes()[15]);
    }
}

#[test]
fn ids_come_from_the_source_passed_in() {
    let source = Counting(7.into());
    let id = WorkspaceId::generate(&source as &dyn IdSource);
    assert_eq!(id.uuid(), Uuid::from_u128(7));
    assert_eq!(id.to_string(), "00000000-0000-0000-0000-000000000007");
    assert_eq!(
        serde_json::to_string(&id).unwrap(),
        "\"00000000-0000-0000-0000-000000000007\""
    );
}

#[test]
fn an_id_has_one_form() {
    let good = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert!(good.parse::<WorkspaceId>().is_ok());
    for bad in [
        "",
        "x",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "01890a5d-ac96-774b-bcce-b302099a805g",
    ] {
        let error = bad.parse::<WorkspaceId>().unwrap_err().to_string();
        assert!(error.starts_with("not a workspace id"), "{error}");
    }
    let said = ["x".parse::<ApiKeyId>().map(drop), "x".parse::<UserId>().map(drop)];
    let said = said.map(|outcome| outcome.unwrap_err().to_string());
    assert!(
        said[0].starts_with("not an API key id:") && said[1].starts_with("not a user id:"),
        "the article follows the sound: {said:?}"
    );
}

#[test]
fn moments_are_rfc_3339_in_utc() {
    let read = |text: &str| text.parse::<Timestamp>().map(|moment| moment.to_string());
    assert_eq!(read("2026-03-01T12:00:00Z").unwrap(), "2026-03-01T12:00:00Z");
    assert_eq!(
        read("2026-03-01T12:00:00.123456789+02:00").unwrap(),
        "2026-03-01T10:00:00.123456Z"
    );
    assert_eq!(read("2026-03-01t12:00:00z").unwrap(), "2026-03-01T12:00:00Z");
    assert_eq!(
        read("1969-12-31T23:59:59.9999999Z").unwrap(),
        "1969-12-31T23:59:59.999999Z"
    );
    for bad in [
        "",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T25:00:00Z",
        "20260301T120000Z",
        "2026-03-01T12:00:00+01:00[Europe/Berlin]",
        "1772366400",
        "+2026-03-01T12:00:00Z",
    ] {
        let error = read(bad).unwrap_err().to_string();
        assert!(error.contains("RFC 3339"), "{bad}: {error}");
    }
}

#[test]
fn the_range_is_held() {
    assert_eq!(
        Timestamp::from_micros(i64::MIN).to_string(),
        "0000-01-01T00:00:00Z"
    );
    assert_eq!(
        Timestamp::from_secs(i64::MAX).to_string(),
        "9999-12-31T23:59:59.999999Z"
    );
    for (text, shown) in [
        ("9999-11-30T23:59:59Z", "9999-11-30T23:59:59Z"),
        ("9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z"),
        ("9999-12-30T22:00:00.000001Z", "9999-12-30T22:00:00.000001Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59.5+01:00", "9999-12-31T22:59:59.5Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
    ] {
        let read: Timestamp = text.parse().unwrap();
        assert_eq!(read.to_string(), shown);
        assert_eq!(shown.parse(), Ok(read));
    }
    assert_eq!(Timestamp::MAX.day().to_string(), "9999-12-31");
}

#[test]
fn what_lies_outside_is_told_from_what_does_not_exist() {
    for outside in ["0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-00:01"] {
        let error = outside.parse::<Timestamp>().unwrap_err().to_string();
        let bounds = "from 0000-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z";
        assert!(error.ends_with(bounds), "{outside}: {error}");
    }
    for strange in [
        "2026-02-30T12:00:00Z",
        "9999-12-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
    ] {
        let error = strange.parse::<Timestamp>().unwrap_err().to_string();
        assert!(error.ends_with("that exist"), "{strange}: {error}");
    }
}

#[test]
fn differences_stay_within_the_range() {
    let hour = std::time::Duration::from_secs(3600);
    assert_eq!(Timestamp::EPOCH.plus(hour).minus(hour), Timestamp::EPOCH);
    assert_eq!(Timestamp::EPOCH.plus(hour).since(Timestamp::EPOCH), hour);
    assert_eq!(
        Timestamp::EPOCH.since(Timestamp::EPOCH.plus(hour)),
        std::time::Duration::ZERO
    );
    assert_eq!(
        (
            Timestamp::from_micros(-1).millis(),
            Timestamp::from_micros(-1).secs()
        ),
        (-1, -1)
    );
}

#[test]
fn days_are_calendar_days() {
    assert_eq!(Day::new(2026, 2, 29), None);
    assert_eq!(Day::new(2024, 2, 29).unwrap().to_string(), "2024-02-29");
    assert_eq!(Day::from_yyyymmdd(20_260_301), Day::new(2026, 3, 1));
    assert_eq!(Day::from_yyyymmdd(20_261_301), None);
    assert_eq!(Day::new(10_000, 1, 1), None);
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn a_moment_survives_its_text(micros in any::<i64>()) {
        let moment = Timestamp::from_micros(micros);
        let text = moment.to_string();
        prop_assert!(text.ends_with('Z'));
        prop_assert_eq!(text.parse::<Timestamp>().unwrap(), moment);
        prop_assert_eq!(&moment.day().to_string(), &text[..10]);
        prop_assert_eq!(Day::from_yyyymmdd(moment.day().yyyymmdd()), Some(moment.day()));
    }

    #[test]
    fn an_id_survives_its_text(number in any::<u128>()) {
        let id = WorkspaceId::from(Uuid::from_u128(number));
        prop_assert_eq!(id.to_string().parse::<WorkspaceId>().unwrap(), id);
        prop_assert_eq!(serde_json::from_value::<WorkspaceId>(serde_json::to_value(id).unwrap()).unwrap(), id);
    }
}
