async fn get(client: &redis::Client) -> redis::RedisResult<i32> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("GET").arg("a").query_async(&mut connection).await
}
