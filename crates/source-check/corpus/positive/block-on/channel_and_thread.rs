use std::sync::mpsc::{self, Receiver};
async fn channel() -> u8 {
    let (sender, receiver) = mpsc::channel::<u8>();
    drop(sender);
    receiver.recv().unwrap_or(0) //~ block-on
}
async fn given(receiver: &Receiver<u8>) -> Option<u8> {
    receiver.recv().ok() //~ block-on
}
