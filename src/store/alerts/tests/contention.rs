use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_tasks_that_count_under_the_lock_lose_nothing() {
    const TASKS: usize = 20;
    const EACH: usize = 4;
    let (_folder, store) = store();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let mut locked = store.lock("dip", PATIENT).await.unwrap();
                    let seen = locked.history.len();
                    tokio::task::yield_now().await;
                    locked.remember(past(format!("{task}-{n}")));
                    assert_eq!(locked.history.len(), seen + 1);
                    locked.save().unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let state = store.read("dip").unwrap().unwrap();
    let mut ids: Vec<_> = state.history.into_iter().map(|past| past.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), TASKS * EACH);
}

#[tokio::test]
async fn a_lock_that_is_held_is_busy_after_the_patience_and_can_be_read_meanwhile() {
    let (_folder, store) = store();
    let mut held = store.lock("dip", PATIENT).await.unwrap();
    held.save().unwrap();
    held.remember(past("1"));
    for patience in [Duration::ZERO, Duration::from_millis(30)] {
        let busy = StoreError::Busy {
            name: "dip".into(),
            patience,
        };
        let locked = store.lock("dip", patience).await;
        assert_eq!(locked.map(|_| ()), Err(busy));
    }
    assert_eq!(store.read("dip"), Ok(Some(State::new("dip"))));
    // Others are not in the way, and this one is free when it is dropped.
    store.lock("other", Duration::ZERO).await.unwrap();
    drop(held);
    store.lock("dip", Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn who_waits_gets_the_lock_when_it_is_free_and_sees_what_was_saved() {
    let (_folder, store) = store();
    let mut held = store.lock("dip", PATIENT).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.lock("dip", PATIENT).await.unwrap().clone() }
    });
    tokio::task::yield_now().await;
    held.remember(past("1"));
    held.save().unwrap();
    let saved = held.clone();
    drop(held);
    assert_eq!(waiting.await.unwrap(), saved);
}

#[tokio::test]
async fn a_lock_is_free_after_its_state_was_reset() {
    let (_folder, store) = store();
    let held = store.lock("dip", PATIENT).await.unwrap();
    held.reset().unwrap();
    store.lock("dip", Duration::ZERO).await.unwrap();
}
