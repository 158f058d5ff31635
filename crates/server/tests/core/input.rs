//! Bad input: the right refusal, and nothing changed.

use db::Engine;

use crate::{farm::errors, fixture::Service};

pub async fn bad_input_changes_nothing(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let bearer = format!("Bearer {}", ana.token);
    let headers = [("authorization", &*bearer)];
    let raw = |method: &'static str, path: &'static str, body: Vec<u8>| {
        let (service, headers) = (&service, &headers);
        async move {
            service
                .send_bytes([127, 0, 0, 1].into(), method, path, headers, body)
                .await
        }
    };
    let local = "/api/items/local";
    let deep = format!(
        "{{\"enriched_data\": {}1{}}}",
        "{\"a\":".repeat(200),
        "}".repeat(200)
    );
    let bodies: [(Vec<u8>, u16, &str); 16] = [
        (b"{\"identifiers\": [".to_vec(), 400, ""),
        (Vec::new(), 400, ""),
        (b"{\"local_id\": \"\xff\xfe\"}".to_vec(), 400, ""),
        (b"{\"local_id\": 7}".to_vec(), 422, "local_id"),
        // No client could name them: `/api/items/local/..` is `/api/items/` to most.
        (b"{\"local_id\": \".\"}".to_vec(), 422, "local_id"),
        (b"{\"local_id\": \"..\"}".to_vec(), 422, "local_id"),
        (b"[]".to_vec(), 422, ""),
        (b"{\"owner\": \"me\"}".to_vec(), 422, "owner"),
        (
            b"{\"identifiers\": [{\"key\": \"k\", \"value\": \"v\", \"verified\": true}]}".to_vec(),
            422,
            "identifiers[0].verified",
        ),
        (
            b"{\"identifiers\": [{\"key\": \"gtin\", \"value\": \"7891000315508\", \"registry\": \"GTIN\"}]}"
                .to_vec(),
            422,
            "identifiers[0].value",
        ),
        (b"{\"enriched_data\": []}".to_vec(), 422, "enriched_data"),
        (
            b"{\"enriched_data\": {\"a\": 1, \"a\": 2}}".to_vec(),
            422,
            "enriched_data.a",
        ),
        (
            b"{\"enriched_data\": {\"a\": [{\"b\": {\"c\": 1, \"c\": 1}}]}}".to_vec(),
            422,
            "enriched_data.a[0].b.c",
        ),
        (
            b"{\"enriched_data\": {\"a\": 123456789012345678901}}".to_vec(),
            422,
            "enriched_data.a",
        ),
        (
            format!("{{\"local_id\": \"{}\"}}", "x".repeat(10 << 20)).into_bytes(),
            413,
            "",
        ),
        (deep.into_bytes(), 400, ""),
    ];
    for (body, status, field) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = raw("POST", local, body).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{shown}"
        );
        if !field.is_empty() {
            assert_eq!(errors(&answer.body, "field"), [field], "{shown}: {}", answer.body);
        }
    }
    let queries = [
        "limit=0",
        "limit=1001",
        "limit=x",
        "cursor=%21%21",
        "cursor=AAAA",
        "offset=10001",
        "status=lost",
        "colour=red",
        "with_total=perhaps",
    ];
    for query in queries {
        let answer = service.get(&ana, &format!("{local}?{query}")).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{query}: {} {}",
            answer.status,
            answer.body
        );
        let field = query.split('=').next().unwrap();
        assert_eq!(errors(&answer.body, "field"), [field], "{}", answer.body);
    }
    for path in [
        "/api/items/DFID-20260101-0000000000-00",
        "/api/items/x",
        "/api/circuits/x",
        "/api/items/%ff",
    ] {
        let answer = service.get(&ana, path).await;
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    for path in [local, "/api/items", "/api/circuits"] {
        assert_eq!(
            service.get(&ana, &format!("{path}?with_total=true")).await.body["total"],
            0,
            "{path}"
        );
    }
}
