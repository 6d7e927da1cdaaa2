//! Who lives in a world: they register, make their groups and directs, and switch their devices on.

use super::{World, call};
use crate::chance::Chance;
use crate::client::{Device, Habits};
use crate::fresh::{number, text};
use crate::load::{self, Groups};
use crate::raw;
use crate::shared::{DeviceState, Login, Replica};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The first owns the groups; the second is always inside them; the last is only in the group that all are in.
const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "mallory"];
pub(crate) const PASSWORD: &str = "a password for torture";

/// What a device leaves unanswered at once: enough that several share a transaction, few enough that changes meet
/// each other.
const OPEN: usize = 8;
/// What a writer does: what waits while a batch is committed fills the next.
const WRITERS_OPEN: usize = 64;
/// Acknowledgements between two changes of membership; where there are writers they come quickly.
const PAUSE: u64 = 2;
const WRITERS_PAUSE: u64 = 20;

impl World {
    /// People register, make their groups and directs, and switch their devices on.
    pub(super) async fn settle_in(&mut self, at: SocketAddr) {
        for name in PEOPLE {
            self.people.push(register(at, name).await);
        }
        let group = async |name: &str, visibility: &str| {
            let body = json!({"name": name, "visibility": visibility});
            number(&call(at, &self.people[0], "POST", "/groups", body).await, "id")
        };
        self.groups = (group("square", "public").await, group("lab", "private").await);
        call(at, &self.people[0], "PUT", &format!("/groups/{}/members/bob", self.groups.1), json!({})).await;
        for (from, to) in [(1, 2), (3, 4)] {
            call(at, &self.people[from], "POST", "/directs", json!({"username": PEOPLE[to]})).await;
        }
        let common = Habits { bare: false, open: OPEN, next: load::next };
        for login in self.people.clone() {
            self.switch_on(&login, 1, common);
        }
        self.switch_on(&self.people[1].clone(), 2, Habits { open: 0, ..common });
        self.let_in_writers(at).await;
        let groups = Groups { public: self.groups.0, private: self.groups.1 };
        let visitors = self.people[..PEOPLE.len() - 1].to_vec();
        let pause = if self.writers.is_empty() { PAUSE } else { WRITERS_PAUSE };
        let chance = Chance::new(self.plan.seed, "visits");
        self.tasks.spawn(load::visits(self.shared.clone(), visitors, groups, pause, chance));
    }

    /// Those who mostly send do it in a group of their own, where two others listen, and in the one that all are in.
    async fn let_in_writers(&mut self, at: SocketAddr) {
        if self.plan.writers == 0 {
            return;
        }
        let body = json!({"name": "press", "visibility": "private"});
        let press = number(&call(at, &self.people[0], "POST", "/groups", body).await, "id");
        for number in 0..self.plan.writers {
            self.writers.push(register(at, &format!("writer{number}")).await);
        }
        for login in self.writers.iter().chain([&self.people[1]]) {
            let member = format!("/groups/{press}/members/{}", login.name);
            call(at, &self.people[0], "PUT", &member, json!({})).await;
        }
        for login in self.writers.clone() {
            self.switch_on(&login, 1, Habits { bare: true, open: WRITERS_OPEN, next: load::next_send });
        }
    }

    /// Another device of somebody.
    fn switch_on(&mut self, login: &Login, number: usize, habits: Habits) {
        let name = format!("{}/{number}", login.name);
        let index = self.shared.change(|record| {
            record.devices.push(DeviceState {
                name: name.clone(),
                user: login.name.clone(),
                replica: Replica::default(),
                open: 0,
                connected: false,
                online: BTreeMap::new(),
            });
            record.devices.len() - 1
        });
        let chance = Chance::new(self.plan.seed, &name);
        self.tasks.spawn(Device::new(self.shared.clone(), login.clone(), index, habits, chance).run());
    }
}

/// Makes an account.
pub(crate) async fn register(at: SocketAddr, name: &str) -> Login {
    let body = json!({"username": name, "password": PASSWORD});
    let (status, session) = raw::call(at, "", "POST", "/auth/register", Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{session}");
    Login { name: name.to_owned(), token: text(&session, "access_token") }
}
