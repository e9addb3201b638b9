-- Run once by the Postgres of compose.yaml, when its volume is empty. Dagster has a database of its own, as in production.
create database dagster owner zoho;
