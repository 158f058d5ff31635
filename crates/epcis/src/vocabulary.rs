//! The closed word lists of EPCIS 2.0 and CBV 2.0 that a reader must hold events to.

use serde_json::{Map, Value};

use crate::Problem;

/// Event types of the standard (EPCIS 2.0, section 7.4).
pub(crate) const EVENT_TYPES: [&str; 5] = [
    "ObjectEvent",
    "AggregationEvent",
    "TransactionEvent",
    "TransformationEvent",
    "AssociationEvent",
];

/// Business steps (CBV 2.0, section 7.1).
const BIZ_STEPS: &str = "accepting arriving assembling collecting commissioning consigning creating_class_instance \
    cycle_counting decommissioning departing destroying disassembling dispensing encoding entering_exiting holding \
    inspecting installing killing loading other packing picking receiving removing repackaging repairing replacing \
    reserving retail_selling shipping staging_outbound stock_taking stocking storing transporting unloading unpacking \
    void_shipping sensor_reporting sampling";

/// Dispositions (CBV 2.0, section 7.2).
const DISPOSITIONS: &str = "active container_closed damaged destroyed dispensed disposed encoded expired in_progress \
    in_transit inactive no_pedigree_match non_sellable_other partially_dispensed recalled reserved retail_sold returned \
    sellable_accessible sellable_not_accessible stolen unknown available completeness_verified completeness_inferred \
    conformant container_open mismatch_instance mismatch_class mismatch_quantity needs_replacement non_conformant \
    unavailable";

/// Checks words without a prefix against the lists; IRIs and prefixed names are somebody's own and pass.
pub(crate) fn check(members: &Map<String, Value>, at: &str, problems: &mut Vec<Problem>) {
    for (name, known) in [("bizStep", BIZ_STEPS), ("disposition", DISPOSITIONS)] {
        let Some(value) = members.get(name) else { continue };
        let message = match value.as_str() {
            Some(word) if word.contains(':') || known.split_whitespace().any(|one| one == word) => continue,
            Some(word) => format!("`{word}` is no word of the CBV: use one, or an IRI of your own"),
            None => "must be text".to_owned(),
        };
        problems.push(Problem::new(format!("{at}/{name}"), message));
    }
}
