//! Putting the parts together, and taking them apart.
//!
//! **Start**: the data directory and its lock; the secret; the database with its writer; the hub,
//! which must know all memberships before the first write; the chat; the publisher; the operator's
//! socket; the listener, last, so that whoever gets a connection gets an answer.
//!
//! **Stop**: no new connections and no new writes (readiness says so); what is queued is committed,
//! flushed, published and answered; WebSockets are told to come back, each after a while of its own;
//! plain requests end or are cut after 10 seconds; the log is folded into the database.

use crate::admin;
use crate::auth::keys::{KeyError, Keys};
use crate::auth::password::Passwords;
use crate::auth::throttle::Throttle;
use crate::chat::{Chat, ChatOptions};
use crate::config::{Config, Database};
use crate::data_dir::{DataDir, DataDirError};
use crate::http::{Api, Origins, routes};
use crate::hub::{Hub, Publisher};
use crate::listener::{
    BindError, Counters, Drain, ListenerOptions, TlsError, TlsReloader, bind, serve as serve_http,
};
use crate::metrics;
use crate::planted::{Bug, planted};
#[cfg(feature = "postgres")]
use crate::store::postgres::{self, PostgresStore};
use crate::store::sqlite::{self, Opening, SqliteStore};
use crate::store::{NobodyListens, Opener, Sink, Store, StoreError, ask};
use crate::ws::{SessionOptions, encode};
use chat_shared::close::CloseCode;
use futures_util::FutureExt as _;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long the queued writes may take at the end.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// How long connections may take to say good-bye.
const GOOD_BYE: Duration = Duration::from_secs(3);
/// Clients come back within this time after a restart, each at its own moment.
const COME_BACK_MS: u64 = 10_000;
/// How often deleted groups are looked for.
const PURGE_PAUSE: Duration = Duration::from_secs(60);

/// Why the server did not start, or could not go on. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The secret cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] sqlite::OpenError),
    /// PostgreSQL cannot be used.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    OpenPostgres(#[from] postgres::OpenError),
    /// It was opened and then did not answer.
    #[error("the database does not answer: {0}")]
    Store(#[from] StoreError),
    /// While it was served it turned out to be another one.
    #[error(
        "the database is not the one that was served until now; the log says why. Start the server again: it reads everything anew."
    )]
    Replaced,
    /// The address cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// https cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operator's socket cannot be made.
    #[error("cannot make the socket {path}: {source}.")]
    Admin {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StartError {
    /// The program's exit code: 3, the data directory or the database is in use or of a newer version; 4, the
    /// address is in use; else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(DataDirError::Locked(_)) | Self::Open(sqlite::OpenError::Newer { .. }) => 3,
            #[cfg(feature = "postgres")]
            Self::OpenPostgres(postgres::OpenError::InUse | postgres::OpenError::Newer { .. }) => 3,
            Self::Bind(BindError::InUse { .. }) => 4,
            _ => 1,
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

/// Opens the database, whichever it is. A file of our own is there or not: nobody waits for it, and nobody else can put an
/// earlier state in its place.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "for PostgreSQL only"))]
fn open(
    config: &Config,
    data: &DataDir,
    opener: Opener,
    sink: impl Sink,
) -> Result<Arc<dyn Store>, StartError> {
    Ok(match &config.database {
        Database::Sqlite(path) => {
            let opening = Opening { path: path.clone(), reserve: config.disk_reserve };
            Arc::new(SqliteStore::open(&opening, sink)?)
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(address) => {
            let notes = Some(data.path().join("postgres.json"));
            let opening = postgres::Opening { address: (**address).clone(), opener, notes };
            Arc::new(PostgresStore::open(&opening, sink)?)
        }
    })
}

/// Gives the database a new epoch, while no server runs.
pub fn new_epoch(config: &Config, _held: &DataDir) -> Result<String, StartError> {
    Ok(match &config.database {
        Database::Sqlite(path) => sqlite::new_epoch(path)?,
        #[cfg(feature = "postgres")]
        Database::Postgres(address) => postgres::new_epoch(address)?,
    })
}

fn chat_options(config: &Config) -> ChatOptions {
    ChatOptions {
        server_name: config.server_name.clone(),
        registration: config.registration,
        default_groups: config.default_groups.clone(),
        access_ttl: config.access_ttl,
        refresh_ttl: config.refresh_ttl,
        connections_per_user: config.max_connections_per_user,
        session: SessionOptions { heartbeat: Duration::from_millis(config.heartbeat_ms) },
    }
}

/// The chat without any listener, for the operator's commands while no server runs.
pub async fn offline(config: &Config, data: &DataDir) -> Result<Arc<Chat>, StartError> {
    let keys = Keys::load(&data.path().join("secret"))?;
    let store = open(config, data, Opener::Command, NobodyListens)?;
    let hub = Arc::new(Hub::new(encode, config.max_connections_per_user));
    let passwords = Passwords::new(config.pbkdf2_iterations, threads());
    Ok(Arc::new(Chat::new(store, hub, passwords, &keys, Throttle::new(false), chat_options(config), None)))
}

/// A server that is ready to serve.
pub struct Server {
    config: Config,
    data: DataDir,
    chat: Arc<Chat>,
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    publisher: Publisher,
    tls: Option<TlsReloader>,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    /// The code that the first account needs, if it needs one.
    setup_code: Option<String>,
    is_new: bool,
}

impl Server {
    /// Does everything that can fail. `listener`: where to listen, if that was opened already.
    pub async fn start(config: Config, listener: Option<TcpListener>) -> Result<Self, StartError> {
        let data = DataDir::open(&config.data_dir)?;
        let tls = config.tls.as_ref().map(|files| TlsReloader::load(&files.cert, &files.key)).transpose()?;
        let listener = match listener {
            Some(listener) => listener,
            None => bind(config.listen)?,
        };
        let metrics = config.metrics_listen.map(bind).transpose()?;
        let keys = Keys::load(&data.path().join("secret"))?;
        let (queue, publisher) = Publisher::channel();
        let store = open(&config, &data, Opener::Server, queue)?;
        let hub = Arc::new(Hub::new(encode, config.max_connections_per_user));
        hub.load(&*store).await?;
        let is_new = store.is_new().await?;
        let public = !config.is_local() || config.behind_proxy;
        let setup_code = if public && is_new { Some(setup_code()?) } else { None };
        let chat = Arc::new(Chat::new(
            store.clone(),
            hub.clone(),
            Passwords::new(config.pbkdf2_iterations, threads()),
            &keys,
            Throttle::new(config.rate_limits),
            chat_options(&config),
            setup_code.clone(),
        ));
        Ok(Self { config, data, chat, store, hub, publisher, tls, listener, metrics, setup_code, is_new })
    }

    /// Where it listens, where its data lies, and what to do next.
    pub fn greeting(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let address = self.listener.local_addr().unwrap_or(self.config.listen);
        let url = self.config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
        let mut text = format!(
            "chat-server {} listens on {address}, data in {}\n",
            env!("CARGO_PKG_VERSION"),
            self.data.path().display()
        );
        if self.is_new {
            match &self.setup_code {
                Some(code) => text.push_str(&format!(
                    "No account exists yet. The first one needs this setup code: {code}\n"
                )),
                None => text.push_str("No account exists yet.\n"),
            }
        }
        text.push_str(&format!("Next: chat-tui --server {url}\n"));
        text
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Where it serves `/metrics`, if it does.
    pub fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The certificate's reloader.
    pub fn tls(&self) -> Option<TlsReloader> {
        self.tls.clone()
    }

    /// Serves until the drain, and then stops in order.
    pub async fn serve(self, drain: Drain) -> Result<(), StartError> {
        let Self { config, data, chat, store, hub, publisher, tls, listener, metrics, .. } = self;
        let (stop, stopping) = Drain::new();
        let publishing = tokio::spawn(publisher.run(hub.clone(), store.clone()));
        let now = chat.now();
        ask(|reply| store.ensure_default_groups(config.default_groups.clone(), now, reply)).await?;
        let socket = data.path().join("admin.sock");
        let operator =
            admin::listen(&socket).map_err(|source| StartError::Admin { path: socket.clone(), source })?;
        let helpers = [
            tokio::spawn(admin::serve(operator, chat.clone())),
            tokio::spawn({
                let (hub, store) = (hub.clone(), store.clone());
                async move { hub.run_presence(store).await }
            }),
            tokio::spawn(keep_house(chat.clone(), store.clone())),
        ];
        let sockets = Arc::new(Counters::default());
        let options = ListenerOptions {
            tls,
            trusted_proxies: config.trusted_proxies.clone(),
            is_https: config.is_https(),
            max_connections: config.max_connections,
            max_connections_per_address: config.rate_limits.then_some(config.max_connections_per_address),
            counters: sockets.clone(),
            ..ListenerOptions::default()
        };
        let origins =
            Origins { public_url: config.public_url.clone(), allowed: config.allowed_origins.clone() };
        let api = Api { chat: chat.clone(), origins: Arc::new(origins), drain: stopping.clone() };
        let service = TowerToHyperService::new(warp::service(routes(&api)));
        let serving = tokio::spawn(serve_http(listener, service, options, stopping.clone()));
        let reporting = metrics.map(|listener| {
            let service =
                TowerToHyperService::new(warp::service(metrics::routes(chat.clone(), sockets.clone())));
            tokio::spawn(serve_http(listener, service, ListenerOptions::default(), stopping.clone()))
        });
        drop(api);

        let is_replaced = tokio::select! {
            () = drain.started() => false,
            () = store.replaced() => true,
        };
        tracing::info!("stopping");
        stop.start();
        chat.drain();
        // Behind everything that was queued before: when it is answered, so is all of that.
        let barrier = ask(|reply| store.touch_users(Vec::new(), reply));
        if tokio::time::timeout(LAST_WRITES, barrier).await.is_err() {
            tracing::warn!("the last writes take long");
        }
        if !planted(Bug::NoLeaveTaken) {
            hub.close_all(CloseCode::Restart, come_back);
        }
        if tokio::time::timeout(GOOD_BYE, hub.empty()).await.is_err() {
            tracing::info!(connections = hub.connections(), "some connections did not say good-bye");
        }
        // Whatever is still under way there is cut in time by the listener itself.
        let _ = serving.await;
        if let Some(reporting) = reporting {
            let _ = reporting.await;
        }
        for helper in &helpers {
            helper.abort();
        }
        store.close().await;
        let _ = publishing.await;
        // It may have been found out by one of the last writes.
        let is_replaced = is_replaced || store.replaced().now_or_never().is_some();
        if let Err(error) = std::fs::remove_file(&socket) {
            tracing::debug!(%error, "could not remove the operator's socket");
        }
        tracing::info!("stopped");
        if is_replaced { Err(StartError::Replaced) } else { Ok(()) }
    }
}

/// A close reason that spreads the clients' return.
fn come_back() -> String {
    let mut random = [0; 8];
    // Without random bytes they all come at once, which is worse but works.
    let _ = getrandom::fill(&mut random);
    format!("the server restarts; retry_after_ms={}", u64::from_ne_bytes(random) % COME_BACK_MS)
}

/// Letters and digits that cannot be mistaken for each other.
const CODE_LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789x";

/// A code to be typed: 60 random bits.
pub fn random_code() -> Result<String, getrandom::Error> {
    let mut random = [0; 12];
    getrandom::fill(&mut random)?;
    let letters: Vec<char> =
        random.iter().map(|byte| char::from(CODE_LETTERS[usize::from(byte % 32)])).collect();
    Ok(letters.chunks(4).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

fn setup_code() -> Result<String, StartError> {
    random_code().map_err(|error| StartError::Keys(KeyError::Random(error)))
}

/// Looks for damage after a crash or a power cut, and then removes what deleted groups left behind, a
/// slice at a time.
async fn keep_house(chat: Arc<Chat>, store: Arc<dyn Store>) {
    if store.was_cut_off() && !is_whole(&*store).await {
        return chat.distrust_database();
    }
    loop {
        match ask(|reply| store.purge(reply)).await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) | Err(_) => tokio::time::sleep(PURGE_PAUSE).await,
        }
    }
}

/// Is the database without damage, as far as can be seen quickly?
async fn is_whole(store: &dyn Store) -> bool {
    let found = match store.quick_check().await {
        Ok(found) if found.is_empty() => {
            tracing::info!("the server was not stopped in order the last time; its database is whole");
            return true;
        }
        Ok(found) => found.join("; "),
        Err(StoreError::Unavailable) => {
            tracing::warn!("the server was not stopped in order, and its database could not be checked");
            return true;
        }
        Err(error) => error.to_string(),
    };
    tracing::error!(
        found,
        "the database is damaged; nothing new is taken. Stop the server and restore a backup with `chat-server restore`"
    );
    false
}
