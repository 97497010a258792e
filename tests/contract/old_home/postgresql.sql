SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.batches (
    batch text NOT NULL,
    serial bigint NOT NULL,
    tenant text NOT NULL,
    day text NOT NULL,
    number integer NOT NULL,
    registered integer NOT NULL,
    decided bigint NOT NULL,
    manifest bigint NOT NULL
);
CREATE TABLE public.events (
    event_id bigint NOT NULL,
    image_id text NOT NULL,
    tenant text NOT NULL,
    batch text NOT NULL,
    at double precision NOT NULL,
    kind text NOT NULL,
    from_status text,
    to_status text NOT NULL,
    reason text NOT NULL,
    run_id text NOT NULL,
    policy text,
    fence bigint NOT NULL,
    changes jsonb NOT NULL
);
CREATE SEQUENCE public.events_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_event_id_seq OWNED BY public.events.event_id;
CREATE TABLE public.evidence (
    image_id text NOT NULL,
    stage text NOT NULL,
    fingerprint text NOT NULL,
    body jsonb NOT NULL,
    engine text NOT NULL,
    model text NOT NULL,
    revision text NOT NULL,
    determinism text NOT NULL,
    run_id text NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.heartbeats (
    name text NOT NULL,
    at double precision NOT NULL,
    payload jsonb NOT NULL
);
CREATE TABLE public.images (
    image_id text NOT NULL,
    tenant text NOT NULL,
    bucket text NOT NULL,
    key text NOT NULL,
    version text NOT NULL,
    size bigint NOT NULL,
    batch text NOT NULL,
    landed_at double precision NOT NULL,
    arrived_at double precision NOT NULL,
    updated_at double precision NOT NULL,
    object_state text NOT NULL,
    pipeline_status text NOT NULL,
    attempts integer NOT NULL,
    retries integer NOT NULL,
    retry_since double precision,
    not_before double precision NOT NULL,
    due_at double precision,
    lease_owner text,
    lease_until double precision,
    fence bigint NOT NULL,
    suspect boolean NOT NULL,
    preview_bucket text,
    preview_key text,
    thumbnail_key text,
    sha256 text,
    phash text,
    evidence jsonb NOT NULL,
    verdict text,
    reasons jsonb NOT NULL,
    policy text,
    failure_class text,
    failure_reason text,
    failed_stage text,
    target text
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='5000', autovacuum_analyze_scale_factor='0.02');
CREATE TABLE public.likenesses (
    tenant text NOT NULL,
    key text NOT NULL,
    landed_at double precision NOT NULL,
    image_id text NOT NULL,
    view bigint NOT NULL
);
CREATE TABLE public.parjanya_schema (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.policies (
    ref text NOT NULL,
    hash text NOT NULL,
    document jsonb NOT NULL,
    published_at double precision NOT NULL
);
CREATE TABLE public.regrades (
    replay_id text NOT NULL,
    policy text NOT NULL,
    tenants jsonb NOT NULL,
    since text NOT NULL,
    until text NOT NULL,
    started_at double precision NOT NULL,
    reset_at double precision
);
CREATE TABLE public.replays (
    replay_id text NOT NULL,
    batch text NOT NULL,
    stage text NOT NULL,
    at double precision NOT NULL,
    rows integer NOT NULL
);
CREATE TABLE public.tenants (
    slug text NOT NULL,
    bucket text NOT NULL,
    prefix text NOT NULL,
    policy text NOT NULL,
    weight double precision NOT NULL,
    status text NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.tokens (
    token_id text NOT NULL,
    tenant text NOT NULL,
    name text NOT NULL,
    hash text NOT NULL,
    created_at double precision NOT NULL,
    revoked_at double precision
);
CREATE TABLE public.uploads (
    upload_id text NOT NULL,
    tenant text NOT NULL,
    bucket text NOT NULL,
    key text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL,
    requested_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    token_id text NOT NULL,
    origin text NOT NULL,
    status text NOT NULL,
    due_at double precision,
    settled_at double precision,
    reason text NOT NULL,
    image_id text
);
ALTER TABLE ONLY public.events ALTER COLUMN event_id SET DEFAULT nextval('public.events_event_id_seq'::regclass);
INSERT INTO public.batches VALUES ('zeta/2025-10-09/001', 2, 'zeta', '2025-10-09', 1, 3, 0, 0);
INSERT INTO public.batches VALUES ('bolt/2025-10-09/001', 3, 'bolt', '2025-10-09', 1, 7, 0, 0);
INSERT INTO public.batches VALUES ('acme/2025-10-09/001', 1, 'acme', '2025-10-09', 1, 5, 2, 0);
INSERT INTO public.events VALUES (1, '7d491dfc038a875a98d0e2b8', 'acme', 'acme/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "acme/incoming/0.jpg", "size": 1234, "batch": "acme/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "acme", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "7d491dfc038a875a98d0e2b8", "landed_at": 1760011200.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (2, '65faadc473f8dac95d278efe', 'acme', 'acme/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "acme/incoming/1.jpg", "size": 1234, "batch": "acme/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "acme", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "65faadc473f8dac95d278efe", "landed_at": 1760011201.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (3, '2e65806e0d0e31f1be966f0e', 'acme', 'acme/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "acme/incoming/2.jpg", "size": 1234, "batch": "acme/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "acme", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "2e65806e0d0e31f1be966f0e", "landed_at": 1760011202.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (4, '5ba09d3602ea64fe402bb751', 'acme', 'acme/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "acme/incoming/3.jpg", "size": 1234, "batch": "acme/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "acme", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "5ba09d3602ea64fe402bb751", "landed_at": 1760011203.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (5, '5bc5712fdd0465ab3d70dc26', 'acme', 'acme/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "acme/incoming/4.jpg", "size": 1234, "batch": "acme/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "acme", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "5bc5712fdd0465ab3d70dc26", "landed_at": 1760011204.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (6, '7d491dfc038a875a98d0e2b8', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (7, '65faadc473f8dac95d278efe', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (8, '2e65806e0d0e31f1be966f0e', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (9, '5ba09d3602ea64fe402bb751', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (10, '5bc5712fdd0465ab3d70dc26', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (11, '7d491dfc038a875a98d0e2b8', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_vlm_enrichment', 'pending_iqa', 'enriched', 'run-1', NULL, 2, '{"fence": 2, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_iqa"}');
INSERT INTO public.events VALUES (12, '65faadc473f8dac95d278efe', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_vlm_enrichment', 'pending_iqa', 'enriched', 'run-1', NULL, 2, '{"fence": 2, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_iqa"}');
INSERT INTO public.events VALUES (13, '2e65806e0d0e31f1be966f0e', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_vlm_enrichment', 'pending_iqa', 'enriched', 'run-1', NULL, 2, '{"fence": 2, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_iqa"}');
INSERT INTO public.events VALUES (14, '5ba09d3602ea64fe402bb751', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_vlm_enrichment', 'pending_iqa', 'enriched', 'run-1', NULL, 2, '{"fence": 2, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_iqa"}');
INSERT INTO public.events VALUES (15, '5bc5712fdd0465ab3d70dc26', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_vlm_enrichment', 'pending_iqa', 'enriched', 'run-1', NULL, 2, '{"fence": 2, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_iqa"}');
INSERT INTO public.events VALUES (16, '7d491dfc038a875a98d0e2b8', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_iqa', 'pending_curation', 'scored', 'run-1', NULL, 3, '{"fence": 3, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (17, '65faadc473f8dac95d278efe', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_iqa', 'pending_curation', 'scored', 'run-1', NULL, 3, '{"fence": 3, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (18, '2e65806e0d0e31f1be966f0e', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_iqa', 'pending_curation', 'scored', 'run-1', NULL, 3, '{"fence": 3, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (19, '5ba09d3602ea64fe402bb751', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_iqa', 'pending_curation', 'scored', 'run-1', NULL, 3, '{"fence": 3, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (20, '5bc5712fdd0465ab3d70dc26', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_iqa', 'pending_curation', 'scored', 'run-1', NULL, 3, '{"fence": 3, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (21, '7d491dfc038a875a98d0e2b8', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_curation', 'curated', 'curated', 'run-1', NULL, 4, '{"fence": 4, "due_at": null, "target": null, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "curated"}');
INSERT INTO public.events VALUES (22, '65faadc473f8dac95d278efe', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_curation', 'curated', 'curated', 'run-1', NULL, 4, '{"fence": 4, "due_at": null, "target": null, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "curated"}');
INSERT INTO public.events VALUES (23, '2e65806e0d0e31f1be966f0e', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_curation', 'curated', 'curated', 'run-1', NULL, 4, '{"fence": 4, "due_at": null, "target": null, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "curated"}');
INSERT INTO public.events VALUES (24, '5ba09d3602ea64fe402bb751', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_curation', 'curated', 'curated', 'run-1', NULL, 4, '{"fence": 4, "due_at": null, "target": null, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "curated"}');
INSERT INTO public.events VALUES (25, '5bc5712fdd0465ab3d70dc26', 'acme', 'acme/2025-10-09/001', 1760011200, 'completed', 'pending_curation', 'curated', 'curated', 'run-1', NULL, 4, '{"fence": 4, "due_at": null, "target": null, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "curated"}');
INSERT INTO public.events VALUES (26, 'ad0776865c55abc0b8c5f4e6', 'zeta', 'zeta/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "zeta/incoming/0.jpg", "size": 1234, "batch": "zeta/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "zeta", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "ad0776865c55abc0b8c5f4e6", "landed_at": 1760011200.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (27, '639a1d6a227ce1d2fb7d61ff', 'zeta', 'zeta/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "zeta/incoming/1.jpg", "size": 1234, "batch": "zeta/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "zeta", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "639a1d6a227ce1d2fb7d61ff", "landed_at": 1760011201.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (28, 'c893554fc77dc59b35eec178', 'zeta', 'zeta/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "zeta/incoming/2.jpg", "size": 1234, "batch": "zeta/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "zeta", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "c893554fc77dc59b35eec178", "landed_at": 1760011202.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (29, 'ad0776865c55abc0b8c5f4e6', 'zeta', 'zeta/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (30, '639a1d6a227ce1d2fb7d61ff', 'zeta', 'zeta/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (31, 'c893554fc77dc59b35eec178', 'zeta', 'zeta/2025-10-09/001', 1760011200, 'completed', 'pending_validation', 'pending_vlm_enrichment', 'validated', 'run-1', NULL, 1, '{"fence": 1, "due_at": 1760011200.0, "retries": 0, "suspect": false, "attempts": 0, "evidence": {"validated": "validated-1"}, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "retry_since": null, "pipeline_status": "pending_vlm_enrichment"}');
INSERT INTO public.events VALUES (32, '5b05790b498ab2d97273fce3', 'bolt', 'bolt/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "bolt/incoming/0.jpg", "size": 1234, "batch": "bolt/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "bolt", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "5b05790b498ab2d97273fce3", "landed_at": 1760011200.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (33, '09dc2d43ec53c1afef9862a3', 'bolt', 'bolt/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "bolt/incoming/1.jpg", "size": 1234, "batch": "bolt/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "bolt", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "09dc2d43ec53c1afef9862a3", "landed_at": 1760011201.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (34, '5a74e0801ac0df2ef9aa9d69', 'bolt', 'bolt/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "bolt/incoming/2.jpg", "size": 1234, "batch": "bolt/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "bolt", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "5a74e0801ac0df2ef9aa9d69", "landed_at": 1760011202.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (35, 'd91a0e220813459ab6b94bf1', 'bolt', 'bolt/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "bolt/incoming/3.jpg", "size": 1234, "batch": "bolt/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "bolt", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "d91a0e220813459ab6b94bf1", "landed_at": 1760011203.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (36, 'da99cb900ed20b20ad81dc82', 'bolt', 'bolt/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "bolt/incoming/4.jpg", "size": 1234, "batch": "bolt/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "bolt", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "da99cb900ed20b20ad81dc82", "landed_at": 1760011204.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (37, 'f220b039c0dd6df56df17d2e', 'bolt', 'bolt/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "bolt/incoming/5.jpg", "size": 1234, "batch": "bolt/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "bolt", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "f220b039c0dd6df56df17d2e", "landed_at": 1760011205.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (38, '934006c3012a926ec09642e0', 'bolt', 'bolt/2025-10-09/001', 1760011200, 'registered', NULL, 'pending_validation', 'arrived', '', NULL, 0, '{"key": "bolt/incoming/6.jpg", "size": 1234, "batch": "bolt/2025-10-09/001", "fence": 0, "phash": null, "bucket": "bucket", "due_at": 1760011200.0, "policy": null, "sha256": null, "target": null, "tenant": "bolt", "reasons": [], "retries": 0, "suspect": false, "verdict": null, "version": "v1", "attempts": 0, "evidence": {}, "image_id": "934006c3012a926ec09642e0", "landed_at": 1760011206.0, "arrived_at": 1760011200.0, "not_before": 1760011200.0, "updated_at": 1760011200.0, "lease_owner": null, "lease_until": null, "preview_key": null, "retry_since": null, "failed_stage": null, "object_state": "present", "failure_class": null, "thumbnail_key": null, "failure_reason": null, "preview_bucket": null, "pipeline_status": "pending_validation"}');
INSERT INTO public.events VALUES (39, '2e65806e0d0e31f1be966f0e', 'acme', 'acme/2025-10-09/001', 1760011810, 'reset', 'curated', 'pending_curation', 'again', '', NULL, 5, '{"fence": 5, "due_at": 1760011810.0, "target": "default@2", "retries": 0, "suspect": false, "attempts": 0, "not_before": 1760011810.0, "updated_at": 1760011810.0, "lease_owner": null, "lease_until": null, "retry_since": null, "failed_stage": null, "failure_class": null, "failure_reason": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (40, '5ba09d3602ea64fe402bb751', 'acme', 'acme/2025-10-09/001', 1760011810, 'reset', 'curated', 'pending_curation', 'again', '', NULL, 5, '{"fence": 5, "due_at": 1760011810.0, "target": "default@2", "retries": 0, "suspect": false, "attempts": 0, "not_before": 1760011810.0, "updated_at": 1760011810.0, "lease_owner": null, "lease_until": null, "retry_since": null, "failed_stage": null, "failure_class": null, "failure_reason": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (41, '5bc5712fdd0465ab3d70dc26', 'acme', 'acme/2025-10-09/001', 1760011810, 'reset', 'curated', 'pending_curation', 'again', '', NULL, 5, '{"fence": 5, "due_at": 1760011810.0, "target": "default@2", "retries": 0, "suspect": false, "attempts": 0, "not_before": 1760011810.0, "updated_at": 1760011810.0, "lease_owner": null, "lease_until": null, "retry_since": null, "failed_stage": null, "failure_class": null, "failure_reason": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (42, '65faadc473f8dac95d278efe', 'acme', 'acme/2025-10-09/001', 1760011810, 'reset', 'curated', 'pending_curation', 'again', '', NULL, 5, '{"fence": 5, "due_at": 1760011810.0, "target": "default@2", "retries": 0, "suspect": false, "attempts": 0, "not_before": 1760011810.0, "updated_at": 1760011810.0, "lease_owner": null, "lease_until": null, "retry_since": null, "failed_stage": null, "failure_class": null, "failure_reason": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.events VALUES (43, '7d491dfc038a875a98d0e2b8', 'acme', 'acme/2025-10-09/001', 1760011810, 'reset', 'curated', 'pending_curation', 'again', '', NULL, 5, '{"fence": 5, "due_at": 1760011810.0, "target": "default@2", "retries": 0, "suspect": false, "attempts": 0, "not_before": 1760011810.0, "updated_at": 1760011810.0, "lease_owner": null, "lease_until": null, "retry_since": null, "failed_stage": null, "failure_class": null, "failure_reason": null, "pipeline_status": "pending_curation"}');
INSERT INTO public.evidence VALUES ('7d491dfc038a875a98d0e2b8', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('65faadc473f8dac95d278efe', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('2e65806e0d0e31f1be966f0e', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5ba09d3602ea64fe402bb751', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5bc5712fdd0465ab3d70dc26', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('7d491dfc038a875a98d0e2b8', 'enriched', 'enriched-1', '{"stage": "enriched", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('65faadc473f8dac95d278efe', 'enriched', 'enriched-1', '{"stage": "enriched", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('2e65806e0d0e31f1be966f0e', 'enriched', 'enriched-1', '{"stage": "enriched", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5ba09d3602ea64fe402bb751', 'enriched', 'enriched-1', '{"stage": "enriched", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5bc5712fdd0465ab3d70dc26', 'enriched', 'enriched-1', '{"stage": "enriched", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('7d491dfc038a875a98d0e2b8', 'scored', 'scored-1', '{"stage": "scored", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('65faadc473f8dac95d278efe', 'scored', 'scored-1', '{"stage": "scored", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('2e65806e0d0e31f1be966f0e', 'scored', 'scored-1', '{"stage": "scored", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5ba09d3602ea64fe402bb751', 'scored', 'scored-1', '{"stage": "scored", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5bc5712fdd0465ab3d70dc26', 'scored', 'scored-1', '{"stage": "scored", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('7d491dfc038a875a98d0e2b8', 'curated', 'curated-1', '{"stage": "curated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('65faadc473f8dac95d278efe', 'curated', 'curated-1', '{"stage": "curated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('2e65806e0d0e31f1be966f0e', 'curated', 'curated-1', '{"stage": "curated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5ba09d3602ea64fe402bb751', 'curated', 'curated-1', '{"stage": "curated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('5bc5712fdd0465ab3d70dc26', 'curated', 'curated-1', '{"stage": "curated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('ad0776865c55abc0b8c5f4e6', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('639a1d6a227ce1d2fb7d61ff', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.evidence VALUES ('c893554fc77dc59b35eec178', 'validated', 'validated-1', '{"stage": "validated", "width": 640}', 'embedded', 'none', '1', 'bitwise', 'run-1', 1760011200);
INSERT INTO public.heartbeats VALUES ('regrade:regrade-held', 1760011820, '{"hold_until": 1760012500.0}');
INSERT INTO public.heartbeats VALUES ('regrade:regrade-free', 1760011830, '{"hold_until": 0.0}');
INSERT INTO public.heartbeats VALUES ('declared:gpu', 1760011300, '{"code": "2.0+abc", "image": "registry/gpu:v23"}');
INSERT INTO public.heartbeats VALUES ('declared:cpu', 1760011300, '{"code": "2.0+abc"}');
INSERT INTO public.heartbeats VALUES ('running:gpu/e540cc4c8358', 1760011400, '{"run_id": "r-old", "identity": {"code": "2.0+abc", "image": "registry/gpu:v22"}}');
INSERT INTO public.heartbeats VALUES ('running:cpu/d92679bc46ac', 1760011400, '{"run_id": "r-works", "identity": {"code": "2.0+abc"}}');
INSERT INTO public.heartbeats VALUES ('ledger:tenant/acme', 1760011710, '{"folded": ["book:r1/scored", "book:r2/scored"], "account": {"gpu_seconds": 56.0, "seconds|scored": 42.0, "outcomes|scored|completed": 7}}');
INSERT INTO public.heartbeats VALUES ('ledger:tenant/zeta', 1760011710, '{"folded": ["book:r2/scored"], "account": {"gpu_seconds": 24.0, "seconds|scored": 18.0, "outcomes|scored|completed": 3}}');
INSERT INTO public.heartbeats VALUES ('book:r-works/scored', 1760011700, '{"closed": false, "accounts": {"tenant/bolt": {"gpu_seconds": 40.0, "seconds|scored": 30.0, "outcomes|scored|completed": 1}}}');
INSERT INTO public.heartbeats VALUES ('sent:gpu:0', 1760011900, '{"id": "gpu:0", "lane": "gpu", "stages": ["enriched", "scored", "curated"], "batches": ["zeta/2025-10-09/001"], "regrade": false, "version": 1}');
INSERT INTO public.heartbeats VALUES ('sent:gpu:1', 1760011900, '{"id": "gpu:1", "lane": "gpu", "stages": ["enriched", "scored", "curated"], "batches": ["bolt/2025-10-09/001"], "regrade": false, "version": 1}');
INSERT INTO public.heartbeats VALUES ('run:r-works', 1760012195, '{"phase": "working", "stage": "validated", "progress_at": 1760012195.0}');
INSERT INTO public.heartbeats VALUES ('run:gpu:0', 1760012195, '{"phase": "working", "stage": "enriched", "progress_at": 1760012195.0}');
INSERT INTO public.heartbeats VALUES ('preflight:enriched', 1760012100, '{"ok": false, "run": "r-old", "host": "vm", "since": 1760012000.0, "times": 2, "engine": "openai", "problem": "server: it does not answer", "identity": {}}');
INSERT INTO public.heartbeats VALUES ('preflight:scored', 1760012000, '{"ok": true, "run": "r-old", "host": "vm", "engine": "embedded", "problem": "", "identity": {"model": "niqe"}}');
INSERT INTO public.heartbeats VALUES ('pace:enriched', 1760012020, '{"rows": 10, "seconds_per_row": 3.5}');
INSERT INTO public.heartbeats VALUES ('group:gpu', 1760012100, '{"rows": 8, "said": "no capacity of that type", "group": "gpu-group", "desired": 1, "in_service": 0, "quiet_since": 1760012100.0, "nothing_since": 1760012100.0}');
INSERT INTO public.heartbeats VALUES ('blind:sending to gpu', 1760012150, '{"error": "denied", "since": 1760012150.0}');
INSERT INTO public.heartbeats VALUES ('arrivals', 1760012198, '{"seconds": 0.5, "registered": 15}');
INSERT INTO public.heartbeats VALUES ('reconciler', 1760012200, '{"buried": 0, "lapsed": 0, "totals": {"buried": 0, "cooled": 0, "lapsed": 0, "guarded": 0, "seconds": 0.0, "emitted|cpu": 3, "deduplicated": 3, "reconciliations": 3}, "cooling": 0, "covered": 1, "guarded": 0, "seconds": 0.0, "due_rows": 15, "requests": 1, "dead_runs": 0, "live_runs": 4, "generation": 1760012200, "missing_keys": 0, "watching_since": 1760012140.0}');
INSERT INTO public.heartbeats VALUES ('book:r2/scored', 1760011700, '{"closed": true, "accounts": {"tenant/acme": {"gpu_seconds": 16.0, "seconds|scored": 12.0, "outcomes|scored|completed": 2}, "tenant/zeta": {"gpu_seconds": 24.0, "seconds|scored": 18.0, "outcomes|scored|completed": 3}}}');
INSERT INTO public.heartbeats VALUES ('book:r3/scored', 1760011700, '{"closed": true, "accounts": {"tenant/zeta": {"gpu_seconds": 40.0, "seconds|scored": 30.0, "outcomes|scored|completed": 4}}}');
INSERT INTO public.images VALUES ('ad0776865c55abc0b8c5f4e6', 'zeta', 'bucket', 'zeta/incoming/0.jpg', 'v1', 1234, 'zeta/2025-10-09/001', 1760011200, 1760011200, 1760011200, 'present', 'pending_vlm_enrichment', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 1, false, NULL, NULL, NULL, NULL, NULL, '{"validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('639a1d6a227ce1d2fb7d61ff', 'zeta', 'bucket', 'zeta/incoming/1.jpg', 'v1', 1234, 'zeta/2025-10-09/001', 1760011201, 1760011200, 1760011200, 'present', 'pending_vlm_enrichment', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 1, false, NULL, NULL, NULL, NULL, NULL, '{"validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('c893554fc77dc59b35eec178', 'zeta', 'bucket', 'zeta/incoming/2.jpg', 'v1', 1234, 'zeta/2025-10-09/001', 1760011202, 1760011200, 1760011200, 'present', 'pending_vlm_enrichment', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 1, false, NULL, NULL, NULL, NULL, NULL, '{"validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('5b05790b498ab2d97273fce3', 'bolt', 'bucket', 'bolt/incoming/0.jpg', 'v1', 1234, 'bolt/2025-10-09/001', 1760011200, 1760011200, 1760011200, 'present', 'pending_validation', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 0, false, NULL, NULL, NULL, NULL, NULL, '{}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('09dc2d43ec53c1afef9862a3', 'bolt', 'bucket', 'bolt/incoming/1.jpg', 'v1', 1234, 'bolt/2025-10-09/001', 1760011201, 1760011200, 1760011200, 'present', 'pending_validation', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 0, false, NULL, NULL, NULL, NULL, NULL, '{}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('5a74e0801ac0df2ef9aa9d69', 'bolt', 'bucket', 'bolt/incoming/2.jpg', 'v1', 1234, 'bolt/2025-10-09/001', 1760011202, 1760011200, 1760011200, 'present', 'pending_validation', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 0, false, NULL, NULL, NULL, NULL, NULL, '{}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('d91a0e220813459ab6b94bf1', 'bolt', 'bucket', 'bolt/incoming/3.jpg', 'v1', 1234, 'bolt/2025-10-09/001', 1760011203, 1760011200, 1760011200, 'present', 'pending_validation', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 0, false, NULL, NULL, NULL, NULL, NULL, '{}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('da99cb900ed20b20ad81dc82', 'bolt', 'bucket', 'bolt/incoming/4.jpg', 'v1', 1234, 'bolt/2025-10-09/001', 1760011204, 1760011200, 1760011200, 'present', 'pending_validation', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 0, false, NULL, NULL, NULL, NULL, NULL, '{}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('f220b039c0dd6df56df17d2e', 'bolt', 'bucket', 'bolt/incoming/5.jpg', 'v1', 1234, 'bolt/2025-10-09/001', 1760011205, 1760011200, 1760011200, 'present', 'pending_validation', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 0, false, NULL, NULL, NULL, NULL, NULL, '{}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('934006c3012a926ec09642e0', 'bolt', 'bucket', 'bolt/incoming/6.jpg', 'v1', 1234, 'bolt/2025-10-09/001', 1760011206, 1760011200, 1760011200, 'present', 'pending_validation', 0, 0, NULL, 1760011200, 1760011200, NULL, NULL, 0, false, NULL, NULL, NULL, NULL, NULL, '{}', NULL, '[]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.images VALUES ('2e65806e0d0e31f1be966f0e', 'acme', 'bucket', 'acme/incoming/2.jpg', 'v1', 1234, 'acme/2025-10-09/001', 1760011202, 1760011200, 1760011810, 'present', 'pending_curation', 0, 0, NULL, 1760011810, 1760011810, NULL, NULL, 5, false, NULL, NULL, NULL, NULL, NULL, '{"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, 'default@2');
INSERT INTO public.images VALUES ('5ba09d3602ea64fe402bb751', 'acme', 'bucket', 'acme/incoming/3.jpg', 'v1', 1234, 'acme/2025-10-09/001', 1760011203, 1760011200, 1760011810, 'present', 'pending_curation', 0, 0, NULL, 1760011810, 1760011810, NULL, NULL, 5, false, NULL, NULL, NULL, NULL, NULL, '{"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, 'default@2');
INSERT INTO public.images VALUES ('5bc5712fdd0465ab3d70dc26', 'acme', 'bucket', 'acme/incoming/4.jpg', 'v1', 1234, 'acme/2025-10-09/001', 1760011204, 1760011200, 1760011810, 'present', 'pending_curation', 0, 0, NULL, 1760011810, 1760011810, NULL, NULL, 5, false, NULL, NULL, NULL, NULL, NULL, '{"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, 'default@2');
INSERT INTO public.images VALUES ('65faadc473f8dac95d278efe', 'acme', 'bucket', 'acme/incoming/1.jpg', 'v1', 1234, 'acme/2025-10-09/001', 1760011201, 1760011200, 1760011810, 'present', 'pending_curation', 0, 0, NULL, 1760011810, 1760011810, NULL, NULL, 5, false, NULL, NULL, NULL, NULL, NULL, '{"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, 'default@2');
INSERT INTO public.images VALUES ('7d491dfc038a875a98d0e2b8', 'acme', 'bucket', 'acme/incoming/0.jpg', 'v1', 1234, 'acme/2025-10-09/001', 1760011200, 1760011200, 1760011810, 'present', 'pending_curation', 0, 0, NULL, 1760011810, 1760011810, NULL, NULL, 5, false, NULL, NULL, NULL, NULL, NULL, '{"scored": "scored-1", "curated": "curated-1", "enriched": "enriched-1", "validated": "validated-1"}', NULL, '[]', NULL, NULL, NULL, NULL, 'default@2');
INSERT INTO public.parjanya_schema VALUES ('0006');
INSERT INTO public.regrades VALUES ('regrade-held', 'default@2', '["acme"]', '', '', 1760011800, NULL);
INSERT INTO public.regrades VALUES ('regrade-free', 'default@2', '["zeta"]', '', '', 1760011800, NULL);
INSERT INTO public.replays VALUES ('regrade-held', 'acme/2025-10-09/001', 'curated', 1760011810, 5);
INSERT INTO public.tenants VALUES ('bolt', 'bucket', 'bolt/incoming/', 'default@1', 1, 'active', 1760011200);
INSERT INTO public.tenants VALUES ('acme', 'bucket', 'acme/incoming/', 'default@2', 1, 'active', 1760011200);
INSERT INTO public.tenants VALUES ('zeta', 'bucket', 'zeta/incoming/', 'default@2', 1, 'active', 1760011200);
SELECT pg_catalog.setval('public.events_event_id_seq', 43, true);
ALTER TABLE ONLY public.parjanya_schema
    ADD CONSTRAINT parjanya_schema_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.batches
    ADD CONSTRAINT pk_batches PRIMARY KEY (batch);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (event_id);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT pk_evidence PRIMARY KEY (image_id, stage, fingerprint);
ALTER TABLE ONLY public.heartbeats
    ADD CONSTRAINT pk_heartbeats PRIMARY KEY (name);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT pk_images PRIMARY KEY (image_id);
ALTER TABLE ONLY public.likenesses
    ADD CONSTRAINT pk_likenesses PRIMARY KEY (tenant, key, landed_at, image_id);
ALTER TABLE ONLY public.policies
    ADD CONSTRAINT pk_policies PRIMARY KEY (ref);
ALTER TABLE ONLY public.regrades
    ADD CONSTRAINT pk_regrades PRIMARY KEY (replay_id);
ALTER TABLE ONLY public.replays
    ADD CONSTRAINT pk_replays PRIMARY KEY (replay_id, batch, stage);
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT pk_tenants PRIMARY KEY (slug);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT pk_tokens PRIMARY KEY (token_id);
ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT pk_uploads PRIMARY KEY (upload_id);
CREATE INDEX ix_batches_stale_manifest ON public.batches USING btree (batch) WHERE (decided <> manifest);
CREATE INDEX ix_batches_tenant_day_number ON public.batches USING btree (tenant, day, number);
CREATE INDEX ix_events_image_id_event_id ON public.events USING btree (image_id, event_id);
CREATE INDEX ix_images_batch_image_id ON public.images USING btree (batch, image_id);
CREATE INDEX ix_images_decided ON public.images USING btree (tenant, policy, batch) WHERE ((pipeline_status = 'curated'::text) AND (object_state = 'present'::text));
CREATE INDEX ix_images_due ON public.images USING btree (pipeline_status, batch, due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX ix_images_failed ON public.images USING btree (tenant, failure_class, image_id) WHERE (pipeline_status = 'failed'::text);
CREATE INDEX ix_images_key ON public.images USING btree (key);
CREATE INDEX ix_images_leased ON public.images USING btree (lease_until) WHERE (lease_owner IS NOT NULL);
CREATE INDEX ix_images_present ON public.images USING btree (tenant, image_id) WHERE (object_state = 'present'::text);
CREATE INDEX ix_images_tally ON public.images USING btree (tenant, object_state, pipeline_status, verdict, failure_class);
CREATE INDEX ix_images_target ON public.images USING btree (batch) WHERE (target IS NOT NULL);
CREATE INDEX ix_images_troubled ON public.images USING btree (updated_at) WHERE ((due_at IS NOT NULL) AND ((retry_since IS NOT NULL) OR suspect));
CREATE INDEX ix_images_twins ON public.images USING btree (tenant, sha256, landed_at, image_id) WHERE (sha256 IS NOT NULL);
CREATE INDEX ix_regrades_open ON public.regrades USING btree (replay_id) WHERE (reset_at IS NULL);
CREATE INDEX ix_tokens_tenant ON public.tokens USING btree (tenant);
CREATE INDEX ix_uploads_due ON public.uploads USING btree (due_at) WHERE (due_at IS NOT NULL);
ALTER TABLE ONLY public.batches
    ADD CONSTRAINT fk_batches_tenant FOREIGN KEY (tenant) REFERENCES public.tenants(slug);
