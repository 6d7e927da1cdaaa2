-- Presence in groups is not broadcast: 1,000 joins would be 500,000 stanzas.
daemonize = false
pidfile = "@DIR@/pid"
data_path = "@DIR@"
plugin_paths = {}
interfaces = { "127.0.0.1" }
c2s_ports = { @PORT@ }
s2s_ports = {}
http_ports = {}
https_ports = {}
modules_enabled = { "saslauth", "roster", "message", "presence", "iq" }
modules_disabled = { "s2s", "tls", "offline", "limits" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "insecure"
insecure_open_authentication = "Yes please, I know what I'm doing!"
storage = "memory"
network_backend = "epoll"
network_settings = { tcp_backlog = 4096 }
log = { warn = "@DIR@/prosody.log" }
gc = { mode = "incremental" }
VirtualHost "localhost"
Component "conference.localhost" "muc"
  modules_enabled = {}
  muc_room_locking = false
  muc_room_default_presence_broadcast = { visitor = false, participant = false, moderator = false }
  max_history_messages = 20
