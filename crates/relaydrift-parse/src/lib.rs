//! Reads Exchange SMTP send-protocol logs: lines, records, certificates, replies, sessions
