//! Scenarios, cases, claims, verdicts and snapshot tables; pure.
