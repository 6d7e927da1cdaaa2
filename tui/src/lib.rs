//! The terminal client as a library; the program `chat-tui` is a thin shell around it.

pub mod action;
pub mod app;
pub mod cache;
pub mod cli;
pub mod client;
pub mod command;
pub mod config;
pub mod credentials;
pub mod demo;
pub mod editor;
pub mod effect;
pub mod emoji;
pub mod error;
pub mod event;
pub mod home;
pub mod keymap;
pub mod layout;
pub mod net;
pub mod oneshot;
pub mod plain;
pub mod state;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;
