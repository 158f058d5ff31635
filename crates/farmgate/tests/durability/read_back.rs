//! Reads back through the API, as the owner, what the load wrote: each step is there whole, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    client::{Answer, Client},
    writers::{Chain, Claim, Step},
};

/// How many steps were read back.
#[derive(Default)]
pub struct Seen {
    pub acknowledged: usize,
    pub unanswered: usize,
    /// Unanswered steps that were carried out.
    pub there: usize,
}

/// Compares a round's writes with what is there now; then sends again what had no answer.
pub async fn round(owner: &mut Client, circuit: &str, chains: &[Chain], place: &str) -> Seen {
    let traces = Traces::read(owner, circuit).await;
    let (mut seen, mut pushed) = (Seen::default(), BTreeSet::new());
    for chain in chains {
        let found = found(chain, &traces, owner).await;
        for (step, there) in Step::ALL.into_iter().zip(found.steps) {
            let about = format!("{step:?} of {} ({place})", chain.local_id);
            match chain.claim(step) {
                Claim::Acknowledged => assert!(there, "acknowledged and lost: {about}"),
                Claim::NotSent => assert!(!there, "never sent and there: {about}"),
                Claim::Unanswered => {
                    seen.unanswered += 1;
                    seen.there += usize::from(there);
                }
            }
        }
        seen.acknowledged += chain.answers.len();
        pushed.extend(found.dfid);
    }
    traces.belong_to(&pushed, place);
    for chain in chains.iter().filter(|chain| chain.unanswered) {
        repeat(chain, circuit, owner, place).await;
    }
    seen
}

/// What a circuit shows of the pushes into it.
struct Traces {
    /// Operations by the local item they push.
    operations: BTreeMap<String, Vec<Value>>,
    /// What lies in the circuit, by DFID.
    placed: BTreeMap<String, Value>,
    /// DFIDs that activity says were pushed.
    activity: Vec<String>,
}

impl Traces {
    async fn read(owner: &mut Client, circuit: &str) -> Self {
        let mut operations = BTreeMap::<_, Vec<_>>::new();
        for operation in owner.list(&format!("api/circuits/{circuit}/operations")).await {
            operations
                .entry(text(&operation, "local_id"))
                .or_default()
                .push(operation);
        }
        let placed = owner.list(&format!("api/circuits/{circuit}/items")).await;
        let activity = owner
            .list(&format!("api/circuits/{circuit}/activity?action=item.pushed"))
            .await;
        Self {
            operations,
            placed: placed
                .into_iter()
                .map(|item| (text(&item, "dfid"), item))
                .collect(),
            activity: activity.iter().map(|entry| text(entry, "target")).collect(),
        }
    }

    /// Nothing in the circuit comes from a push that its local item does not know of.
    fn belong_to(&self, pushed: &BTreeSet<String>, place: &str) {
        let placed: BTreeSet<_> = self.placed.keys().cloned().collect();
        assert_eq!(
            &placed, pushed,
            "items in the circuit and pushed local items differ ({place})"
        );
        let told: BTreeSet<_> = self.activity.iter().cloned().collect();
        assert_eq!(&told, pushed, "activity and pushed local items differ ({place})");
        assert_eq!(
            self.activity.len(),
            pushed.len(),
            "a push is told twice ({place})"
        );
        assert_eq!(
            self.operations.len(),
            pushed.len(),
            "operations and pushed local items differ ({place})"
        );
    }
}

/// Which steps are there, in their order.
struct Found {
    steps: [bool; 4],
    dfid: Option<String>,
}

async fn found(chain: &Chain, traces: &Traces, owner: &mut Client) -> Found {
    let mut found = Found {
        steps: [false; 4],
        dfid: None,
    };
    let local = match owner.get(&format!("api/items/local/{}", chain.local_id)).await {
        Some((404, _)) => return found,
        Some((200, local)) => local,
        other => panic!("{}: {other:?}", chain.local_id),
    };
    assert_eq!(local["identifiers"][0]["value"], chain.tag.as_str(), "{local}");
    assert_eq!(local["enriched_data"], chain.data, "{}", chain.local_id);
    found.steps[0] = true;
    let Some(dfid) = local["dfid"].as_str() else {
        assert_eq!(local["status"], "local_only", "{local}");
        assert!(
            !traces.operations.contains_key(&chain.local_id),
            "half a push: an operation without its mapping, {local}"
        );
        return found;
    };
    assert_eq!(local["status"], "tokenized", "{local}");
    let item = owner.read(&format!("api/items/{dfid}")).await;
    let timeline = owner.list(&format!("api/items/{dfid}/timeline")).await;
    whole_push(chain, dfid, traces, &item, &timeline);
    found.steps[1] = true;
    found.steps[2] = whole_event(chain, dfid, &timeline, owner).await;
    found.steps[3] = whole_enrichment(chain, dfid, &item, owner).await;
    found.dfid = Some(dfid.to_owned());
    found
}

/// A push has all its traces, each once, and they agree with each other and with its answer.
fn whole_push(chain: &Chain, dfid: &str, traces: &Traces, item: &Value, timeline: &[Value]) {
    let [operation] = traces
        .operations
        .get(&chain.local_id)
        .map_or(&[][..], Vec::as_slice)
    else {
        panic!("half a push: {} has no operation, or several", chain.local_id);
    };
    assert_eq!(
        (&operation["dfid"], &operation["state"]),
        (&dfid.into(), &"completed".into()),
        "{operation}"
    );
    let operation_id = &operation["operation_id"];
    let placed = traces
        .placed
        .get(dfid)
        .unwrap_or_else(|| panic!("half a push: {dfid} is not in the circuit"));
    assert_eq!(
        (&placed["operation_id"], &placed["state"]),
        (operation_id, &"active".into()),
        "{placed}"
    );
    let told = timeline
        .iter()
        .filter(|event| event["event_type"] == "item.pushed");
    let told: Vec<_> = told.map(|event| &event["data"]["operation"]).collect();
    assert_eq!(told, [operation_id], "half a push: the event of {dfid}");
    assert_eq!(item["identifiers"][0]["value"], chain.tag.as_str(), "{item}");
    for (name, value) in chain.data.as_object().unwrap() {
        assert_eq!(&item["enriched_data"][name], value, "{dfid}");
    }
    if let Some(answer) = chain.answers.get(1) {
        assert_eq!(
            (&answer["dfid"], &answer["operation_id"]),
            (&dfid.into(), operation_id),
            "{answer}"
        );
    }
}

/// Whether the event about the item is there, once and as it was sent.
async fn whole_event(chain: &Chain, dfid: &str, timeline: &[Value], owner: &mut Client) -> bool {
    let id = chain.event_id();
    let events: Vec<_> = timeline
        .iter()
        .filter(|event| event["client_event_id"] == id.as_str())
        .collect();
    let event = match events[..] {
        [] => return false,
        [event] => event,
        _ => panic!("{id} is there {} times", events.len()),
    };
    let sent = chain.event(dfid);
    for name in ["event_type", "dfid", "visibility", "data"] {
        assert_eq!(event[name], sent[name], "{id}");
    }
    let alone = owner.read(&format!("api/events/{}", text(event, "id"))).await;
    assert_eq!(&alone, event, "{id}");
    if let Some(answer) = chain.answers.get(2) {
        assert_eq!(answer, event, "{id}");
    }
    true
}

/// Whether the last step's data are there, with the version and the history that belong to them.
async fn whole_enrichment(chain: &Chain, dfid: &str, item: &Value, owner: &mut Client) -> bool {
    let there = item["enriched_data"]["seen_by"] == chain.tag.as_str();
    let history = owner.list(&format!("api/items/{dfid}/history")).await;
    let actions: Vec<_> = history.iter().map(|change| text(change, "action")).collect();
    let expected: &[&str] = if there {
        &["created", "enriched"]
    } else {
        &["created"]
    };
    assert_eq!(actions, expected, "history of {dfid}");
    assert_eq!(item["version"], expected.len(), "{item}");
    there
}

/// What had no answer can be sent again: it is done once, whether it had been done or not.
async fn repeat(chain: &Chain, circuit: &str, owner: &mut Client, place: &str) {
    let step = Step::ALL[chain.answers.len()];
    let dfid = chain
        .answers
        .get(1)
        .map(|pushed| text(pushed, "dfid"))
        .unwrap_or_default();
    let answer: Answer = chain.send(step, circuit, &dfid, owner).await;
    let taken = |status| matches!((step, status), (_, 200 | 201) | (Step::Create, 409));
    assert!(
        answer.as_ref().is_some_and(|(status, _)| taken(*status)),
        "{step:?} of {} cannot be repeated: {answer:?} ({place})",
        chain.local_id
    );
}

/// After all rounds: every write of every round is still there, and nothing else.
pub async fn everything(owner: &mut Client, chains: &BTreeMap<String, Chain>) {
    let locals = by(owner.list("api/items/local").await, "local_id");
    let items = by(owner.list("api/items").await, "dfid");
    let events = by(
        owner.list("api/events?type=durability.seen").await,
        "client_event_id",
    );
    assert!(
        locals.keys().eq(chains.keys()),
        "local items and what was written differ"
    );
    let (mut pushed, mut recorded) = (0, 0);
    for (local_id, chain) in chains {
        // The step without an answer was repeated until it had one.
        let done = chain.answers.len() + usize::from(chain.unanswered);
        let local = &locals[local_id];
        assert_eq!(local["enriched_data"], chain.data, "{local_id}");
        assert_eq!(local["dfid"].is_string(), done > 1, "{local}");
        if done > 1 {
            pushed += 1;
            let item = &items[&text(local, "dfid")];
            assert_eq!(
                item["enriched_data"]["seen_by"] == chain.tag.as_str(),
                done > 3,
                "{item}"
            );
        }
        if done > 2 {
            recorded += 1;
            assert_eq!(events[&chain.event_id()]["dfid"], local["dfid"], "{local_id}");
        }
    }
    assert_eq!(
        (items.len(), events.len()),
        (pushed, recorded),
        "items and events"
    );
}

fn by(list: Vec<Value>, name: &str) -> BTreeMap<String, Value> {
    let count = list.len();
    let map: BTreeMap<_, _> = list
        .into_iter()
        .map(|entry| (text(&entry, name), entry))
        .collect();
    assert_eq!(map.len(), count, "an entry is listed twice");
    map
}

fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no `{name}` in {value}"))
        .to_owned()
}
