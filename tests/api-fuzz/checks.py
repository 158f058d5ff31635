"""Checks of our own, beside those of schemathesis."""

import schemathesis

# What a schema cannot say of a parameter: check characters, and positions that only this server gives out. For
# If-Match schemathesis heeds no pattern: it makes entity tags of its own.
BEYOND_SCHEMA = {"dfid", "cursor", "offset", "If-Match"}


@schemathesis.check
def refusals_name_what_the_schema_cannot_say(ctx, response, case):
    """A request that fits the schema is refused as unreadable only for what a schema cannot express."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    # Where another answer had null, the tool sends its own word for it in the path.
    if any(str(value) == "None" for value in (case.path_parameters or {}).values()):
        return
    problem = response.json()
    fields = {error["field"] for error in problem.get("errors", [])}
    if not fields or not fields <= BEYOND_SCHEMA:
        raise AssertionError(f"fits the schema and is called malformed: {problem['detail']}")


@schemathesis.check
def errors_are_problem_documents(ctx, response, case):
    """Every refusal has the shape of RFC 9457 with a code, and a validation error names its fields."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    problem = response.json()
    missing = {"type", "title", "status", "code", "detail", "request_id"} - problem.keys()
    if missing:
        raise AssertionError(f"a problem document lacks {sorted(missing)}")
    if problem["status"] != response.status_code:
        raise AssertionError("the document and the answer have different statuses")
    if problem["code"] == "validation_failed" and not problem.get("errors"):
        raise AssertionError("a validation error names no field")
