//! A connection that one thread works with, waiting for each answer.
//!
//! What needs no answer of its own ([`Connection::soon`]) goes along with the next that does, and
//! [`Connection::together`] sends several statements at once: a transaction costs as many round trips as it has
//! answers to wait for.

use super::address::Ready;
use super::open::OpenError;
use super::tx::{Fault, describe};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, NoTls, Row, Statement};

/// What stands for `$1`, `$2`, … in a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Questions that are asked without waiting for the answers in between: enough that the way to the database and back
/// counts little, and few enough for one answer's time.
const AT_ONCE: usize = 25;

/// A connection to the database.
pub(super) struct Connection {
    client: Client,
    /// Which of the places it leads to.
    at: usize,
    /// Drives the socket, on the thread of whoever waits for an answer. Taken out when the connection ends.
    runtime: Option<Runtime>,
    /// Statements are prepared when they are first needed, and kept.
    statements: RefCell<HashMap<Box<str>, Statement>>,
    /// What goes along with the next statement.
    soon: RefCell<String>,
    /// How long an answer may take; beyond it the connection counts as lost.
    patience: Cell<Option<Duration>>,
    is_lost: Cell<bool>,
}

impl Connection {
    /// Connects to one of the places; every answer has to come within the patience. To be called on a thread that may
    /// block.
    pub(super) fn open(ready: &Ready, at: usize, patience: Duration) -> Result<Self, OpenError> {
        let place = ready.places.get(at).ok_or_else(|| OpenError::Unreachable("no such place".to_owned()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(OpenError::Thread)?;
        // Not the socket alone: whoever takes it may say nothing.
        let connecting = async {
            match ready.tls.clone() {
                None => {
                    let (client, socket) = place.connect(NoTls).await?;
                    tokio::spawn(socket);
                    Ok(client)
                }
                Some(tls) => {
                    let (client, socket) = place.connect(tls).await?;
                    tokio::spawn(socket);
                    Ok(client)
                }
            }
        };
        let connected = runtime.block_on(async { tokio::time::timeout(CONNECT, connecting).await });
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(refusal(&error)),
            Err(_) => return Err(OpenError::Unreachable("it does not answer".to_owned())),
        };
        Ok(Self {
            client,
            at,
            runtime: Some(runtime),
            statements: RefCell::default(),
            soon: RefCell::default(),
            patience: Cell::new(Some(patience)),
            is_lost: Cell::new(false),
        })
    }

    /// Which of the places it leads to.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// From now on an answer may take so long.
    pub(super) fn set_patience(&self, patience: Option<Duration>) {
        self.patience.set(patience);
    }

    /// Is it of no use any more, as far as is known?
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.get() || self.client.is_closed()
    }

    /// Looks at the socket, without asking the other side: has it hung up meanwhile?
    pub(super) fn is_alive(&self) -> bool {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(turn());
        }
        !self.is_lost()
    }

    /// Gives an order, and does not wait for the answer, which the next one comes after.
    pub(super) fn order(&self, sql: &str) {
        self.soon(sql);
        let soon = self.soon.take();
        if let Some(runtime) = &self.runtime {
            let given = self.client.batch_execute(&soon);
            runtime.block_on(async {
                // It is sent when it is first looked at; nobody looks at it again.
                let _ = futures_util::future::select(std::pin::pin!(given), std::pin::pin!(turn())).await;
            });
        }
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        let Some(runtime) = self.runtime.as_ref().filter(|_| !self.is_lost()) else {
            return Err(Fault::Lost);
        };
        let answered = runtime.block_on(async {
            match self.patience.get() {
                None => Ok(answer.await),
                Some(patience) => tokio::time::timeout(patience, answer).await,
            }
        });
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let fault = Fault::from(error);
                self.is_lost.set(self.is_lost.get() || matches!(fault, Fault::Lost));
                Err(fault)
            }
            Err(_) => {
                tracing::warn!("the database does not answer");
                self.is_lost.set(true);
                Err(Fault::Lost)
            }
        }
    }

    fn prepared(&self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        self.flush()?;
        let statement = self.wait(self.client.prepare(sql))?;
        self.statements.borrow_mut().insert(sql.into(), statement.clone());
        Ok(statement)
    }

    /// Lets this be done before the next statement. Whether it could be is known with that one's answer.
    pub(super) fn soon(&self, sql: &str) {
        let mut soon = self.soon.borrow_mut();
        soon.push_str(sql);
        soon.push(';');
    }

    /// Waits for what was to be done soon.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        let soon = self.soon.take();
        if soon.is_empty() { Ok(()) } else { self.wait(self.client.batch_execute(&soon)) }
    }

    /// Statements without values, one after the other.
    pub(super) fn batch(&self, sql: &str) -> Result<(), Fault> {
        self.soon(sql);
        self.flush()
    }

    /// Several statements at once, done one after the other. The first that fails is what is told: the others
    /// then find the transaction broken.
    pub(super) fn together(&self, statements: &[(&str, Values<'_>)]) -> Result<Vec<Vec<Row>>, Fault> {
        let mut prepared = Vec::with_capacity(statements.len());
        for (sql, values) in statements {
            prepared.push((self.prepared(sql)?, *values));
        }
        let all = prepared.iter().map(|(statement, values)| self.client.query(statement, values));
        self.after_soon(async { futures_util::future::join_all(all).await.into_iter().collect() })
    }

    /// One statement with each of these values, without waiting between them. Of each the rows, in this order.
    pub(super) fn each(&self, sql: &str, all: &[Values<'_>]) -> Result<Vec<Vec<Row>>, Fault> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let statement = self.prepared(sql)?;
        let mut rows = Vec::with_capacity(all.len());
        for some in all.chunks(AT_ONCE) {
            let asked = some.iter().map(|values| self.client.query(&statement, values));
            let answers = async { futures_util::future::join_all(asked).await.into_iter().collect() };
            rows.extend(self.after_soon::<Vec<_>>(answers)?);
        }
        Ok(rows)
    }

    /// Waits for an answer, and for what was to be done before it. Each is sent when it is first looked at, and they are
    /// looked at in this order.
    fn after_soon<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        let soon = self.soon.take();
        let before = async { if soon.is_empty() { Ok(()) } else { self.client.batch_execute(&soon).await } };
        self.wait(async {
            let (before, answer) = futures_util::future::join(before, answer).await;
            before.and(answer)
        })
    }

    /// The rows of a statement.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: Values<'_>,
        read: impl FnMut(&Row) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let rows = self.together(&[(sql, values)])?.pop().unwrap_or_default();
        rows.iter().map(read).collect()
    }

    /// Its first row, if it has one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        values: Values<'_>,
        read: impl FnOnce(&Row) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let rows = self.together(&[(sql, values)])?.pop().unwrap_or_default();
        rows.first().map(read).transpose()
    }

    /// The one value of its one row.
    pub(super) fn value<T: for<'a> FromSql<'a>>(&self, sql: &str, values: Values<'_>) -> Result<T, Fault> {
        self.row(sql, values, |row| Ok(row.try_get(0)?))?.ok_or(Fault::Missing)
    }

    /// How many rows it changed.
    pub(super) fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let statement = self.prepared(sql)?;
        self.after_soon(self.client.execute(&statement, values))
    }
}

/// Why there is no connection.
fn refusal(error: &tokio_postgres::Error) -> OpenError {
    let told = describe(error);
    let passing = [
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
    ];
    if error.code().is_some_and(|code| passing.contains(code)) {
        return OpenError::Starting(told);
    }
    if error.is_closed() {
        return OpenError::Unreachable(told);
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    // What is not right with a certificate is told as such data.
    match source {
        Some(source) if source.kind() != io::ErrorKind::InvalidData => OpenError::Unreachable(told),
        _ => OpenError::Refused(told),
    }
}

/// Lets the socket have its turn: once to be looked at, once for what came of it.
async fn turn() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Where it ends may be a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
