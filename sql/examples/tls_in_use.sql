-- Which TLS versions and ciphers are spoken with whom?
-- For the SOC: what is left of TLS 1.0 and 1.1, and which sessions had none.
select
    peer_kind,
    tls_protocol,
    tls_cipher,
    tls_error,
    count(distinct server) as servers,
    count(*) as sessions,
    max(start_time) as last_seen
from sessions
group by peer_kind, tls_protocol, tls_cipher, tls_error
order by sessions desc;
