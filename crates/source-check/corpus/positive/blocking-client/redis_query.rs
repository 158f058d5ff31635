async fn get(client: &redis::Client) -> redis::RedisResult<i32> {
    let mut connection = client.get_connection()?; //~ blocking-client
    redis::pipe().cmd("PING").query::<()>(&mut connection)?; //~ blocking-client
    redis::cmd("GET").arg("a").query(&mut connection) //~ blocking-client
}
