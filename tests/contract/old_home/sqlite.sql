BEGIN TRANSACTION;
CREATE TABLE batches (
	batch TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	tenant TEXT NOT NULL, 
	day TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	registered INTEGER NOT NULL, 
	decided BIGINT NOT NULL, 
	manifest BIGINT NOT NULL, 
	CONSTRAINT pk_batches PRIMARY KEY (batch), 
	CONSTRAINT fk_batches_tenant FOREIGN KEY(tenant) REFERENCES tenants (slug)
);
INSERT INTO "batches" VALUES('acme/2025-10-09/001',1,'acme','2025-10-09',1,5,2,0);
INSERT INTO "batches" VALUES('zeta/2025-10-09/001',2,'zeta','2025-10-09',1,3,0,0);
INSERT INTO "batches" VALUES('bolt/2025-10-09/001',3,'bolt','2025-10-09',1,7,0,0);
CREATE TABLE events (
	event_id INTEGER NOT NULL, 
	image_id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	batch TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	kind TEXT NOT NULL, 
	from_status TEXT, 
	to_status TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	policy TEXT, 
	fence BIGINT NOT NULL, 
	changes JSON NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (event_id)
);
INSERT INTO "events" VALUES(1,'7d491dfc038a875a98d0e2b8','acme','acme/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"7d491dfc038a875a98d0e2b8","tenant":"acme","bucket":"bucket","key":"acme/incoming/0.jpg","version":"v1","size":1234,"batch":"acme/2025-10-09/001","landed_at":1760011200.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(2,'65faadc473f8dac95d278efe','acme','acme/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"65faadc473f8dac95d278efe","tenant":"acme","bucket":"bucket","key":"acme/incoming/1.jpg","version":"v1","size":1234,"batch":"acme/2025-10-09/001","landed_at":1760011201.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(3,'2e65806e0d0e31f1be966f0e','acme','acme/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"2e65806e0d0e31f1be966f0e","tenant":"acme","bucket":"bucket","key":"acme/incoming/2.jpg","version":"v1","size":1234,"batch":"acme/2025-10-09/001","landed_at":1760011202.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(4,'5ba09d3602ea64fe402bb751','acme','acme/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"5ba09d3602ea64fe402bb751","tenant":"acme","bucket":"bucket","key":"acme/incoming/3.jpg","version":"v1","size":1234,"batch":"acme/2025-10-09/001","landed_at":1760011203.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(5,'5bc5712fdd0465ab3d70dc26','acme','acme/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"5bc5712fdd0465ab3d70dc26","tenant":"acme","bucket":"bucket","key":"acme/incoming/4.jpg","version":"v1","size":1234,"batch":"acme/2025-10-09/001","landed_at":1760011204.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(6,'7d491dfc038a875a98d0e2b8','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(7,'65faadc473f8dac95d278efe','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(8,'2e65806e0d0e31f1be966f0e','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(9,'5ba09d3602ea64fe402bb751','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(10,'5bc5712fdd0465ab3d70dc26','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(11,'7d491dfc038a875a98d0e2b8','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_vlm_enrichment','pending_iqa','enriched','run-1',NULL,2,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1"},"pipeline_status":"pending_iqa","not_before":1760011200.0,"due_at":1760011200.0,"fence":2,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(12,'65faadc473f8dac95d278efe','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_vlm_enrichment','pending_iqa','enriched','run-1',NULL,2,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1"},"pipeline_status":"pending_iqa","not_before":1760011200.0,"due_at":1760011200.0,"fence":2,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(13,'2e65806e0d0e31f1be966f0e','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_vlm_enrichment','pending_iqa','enriched','run-1',NULL,2,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1"},"pipeline_status":"pending_iqa","not_before":1760011200.0,"due_at":1760011200.0,"fence":2,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(14,'5ba09d3602ea64fe402bb751','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_vlm_enrichment','pending_iqa','enriched','run-1',NULL,2,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1"},"pipeline_status":"pending_iqa","not_before":1760011200.0,"due_at":1760011200.0,"fence":2,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(15,'5bc5712fdd0465ab3d70dc26','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_vlm_enrichment','pending_iqa','enriched','run-1',NULL,2,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1"},"pipeline_status":"pending_iqa","not_before":1760011200.0,"due_at":1760011200.0,"fence":2,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(16,'7d491dfc038a875a98d0e2b8','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_iqa','pending_curation','scored','run-1',NULL,3,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1"},"pipeline_status":"pending_curation","not_before":1760011200.0,"due_at":1760011200.0,"fence":3,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(17,'65faadc473f8dac95d278efe','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_iqa','pending_curation','scored','run-1',NULL,3,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1"},"pipeline_status":"pending_curation","not_before":1760011200.0,"due_at":1760011200.0,"fence":3,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(18,'2e65806e0d0e31f1be966f0e','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_iqa','pending_curation','scored','run-1',NULL,3,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1"},"pipeline_status":"pending_curation","not_before":1760011200.0,"due_at":1760011200.0,"fence":3,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(19,'5ba09d3602ea64fe402bb751','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_iqa','pending_curation','scored','run-1',NULL,3,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1"},"pipeline_status":"pending_curation","not_before":1760011200.0,"due_at":1760011200.0,"fence":3,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(20,'5bc5712fdd0465ab3d70dc26','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_iqa','pending_curation','scored','run-1',NULL,3,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1"},"pipeline_status":"pending_curation","not_before":1760011200.0,"due_at":1760011200.0,"fence":3,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(21,'7d491dfc038a875a98d0e2b8','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_curation','curated','curated','run-1',NULL,4,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"},"pipeline_status":"curated","not_before":1760011200.0,"due_at":null,"target":null,"fence":4,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(22,'65faadc473f8dac95d278efe','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_curation','curated','curated','run-1',NULL,4,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"},"pipeline_status":"curated","not_before":1760011200.0,"due_at":null,"target":null,"fence":4,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(23,'2e65806e0d0e31f1be966f0e','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_curation','curated','curated','run-1',NULL,4,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"},"pipeline_status":"curated","not_before":1760011200.0,"due_at":null,"target":null,"fence":4,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(24,'5ba09d3602ea64fe402bb751','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_curation','curated','curated','run-1',NULL,4,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"},"pipeline_status":"curated","not_before":1760011200.0,"due_at":null,"target":null,"fence":4,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(25,'5bc5712fdd0465ab3d70dc26','acme','acme/2025-10-09/001',1760011200.0,'completed','pending_curation','curated','curated','run-1',NULL,4,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"},"pipeline_status":"curated","not_before":1760011200.0,"due_at":null,"target":null,"fence":4,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(26,'ad0776865c55abc0b8c5f4e6','zeta','zeta/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"ad0776865c55abc0b8c5f4e6","tenant":"zeta","bucket":"bucket","key":"zeta/incoming/0.jpg","version":"v1","size":1234,"batch":"zeta/2025-10-09/001","landed_at":1760011200.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(27,'639a1d6a227ce1d2fb7d61ff','zeta','zeta/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"639a1d6a227ce1d2fb7d61ff","tenant":"zeta","bucket":"bucket","key":"zeta/incoming/1.jpg","version":"v1","size":1234,"batch":"zeta/2025-10-09/001","landed_at":1760011201.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(28,'c893554fc77dc59b35eec178','zeta','zeta/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"c893554fc77dc59b35eec178","tenant":"zeta","bucket":"bucket","key":"zeta/incoming/2.jpg","version":"v1","size":1234,"batch":"zeta/2025-10-09/001","landed_at":1760011202.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(29,'ad0776865c55abc0b8c5f4e6','zeta','zeta/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(30,'639a1d6a227ce1d2fb7d61ff','zeta','zeta/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(31,'c893554fc77dc59b35eec178','zeta','zeta/2025-10-09/001',1760011200.0,'completed','pending_validation','pending_vlm_enrichment','validated','run-1',NULL,1,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"evidence":{"validated":"validated-1"},"pipeline_status":"pending_vlm_enrichment","not_before":1760011200.0,"due_at":1760011200.0,"fence":1,"updated_at":1760011200.0}');
INSERT INTO "events" VALUES(32,'5b05790b498ab2d97273fce3','bolt','bolt/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"5b05790b498ab2d97273fce3","tenant":"bolt","bucket":"bucket","key":"bolt/incoming/0.jpg","version":"v1","size":1234,"batch":"bolt/2025-10-09/001","landed_at":1760011200.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(33,'09dc2d43ec53c1afef9862a3','bolt','bolt/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"09dc2d43ec53c1afef9862a3","tenant":"bolt","bucket":"bucket","key":"bolt/incoming/1.jpg","version":"v1","size":1234,"batch":"bolt/2025-10-09/001","landed_at":1760011201.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(34,'5a74e0801ac0df2ef9aa9d69','bolt','bolt/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"5a74e0801ac0df2ef9aa9d69","tenant":"bolt","bucket":"bucket","key":"bolt/incoming/2.jpg","version":"v1","size":1234,"batch":"bolt/2025-10-09/001","landed_at":1760011202.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(35,'d91a0e220813459ab6b94bf1','bolt','bolt/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"d91a0e220813459ab6b94bf1","tenant":"bolt","bucket":"bucket","key":"bolt/incoming/3.jpg","version":"v1","size":1234,"batch":"bolt/2025-10-09/001","landed_at":1760011203.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(36,'da99cb900ed20b20ad81dc82','bolt','bolt/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"da99cb900ed20b20ad81dc82","tenant":"bolt","bucket":"bucket","key":"bolt/incoming/4.jpg","version":"v1","size":1234,"batch":"bolt/2025-10-09/001","landed_at":1760011204.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(37,'f220b039c0dd6df56df17d2e','bolt','bolt/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"f220b039c0dd6df56df17d2e","tenant":"bolt","bucket":"bucket","key":"bolt/incoming/5.jpg","version":"v1","size":1234,"batch":"bolt/2025-10-09/001","landed_at":1760011205.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(38,'934006c3012a926ec09642e0','bolt','bolt/2025-10-09/001',1760011200.0,'registered',NULL,'pending_validation','arrived','',NULL,0,'{"image_id":"934006c3012a926ec09642e0","tenant":"bolt","bucket":"bucket","key":"bolt/incoming/6.jpg","version":"v1","size":1234,"batch":"bolt/2025-10-09/001","landed_at":1760011206.0,"arrived_at":1760011200.0,"updated_at":1760011200.0,"object_state":"present","pipeline_status":"pending_validation","attempts":0,"retries":0,"retry_since":null,"not_before":1760011200.0,"due_at":1760011200.0,"lease_owner":null,"lease_until":null,"fence":0,"suspect":false,"preview_bucket":null,"preview_key":null,"thumbnail_key":null,"sha256":null,"phash":null,"evidence":{},"verdict":null,"reasons":[],"policy":null,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":null}');
INSERT INTO "events" VALUES(39,'2e65806e0d0e31f1be966f0e','acme','acme/2025-10-09/001',1760011810.0,'reset','curated','pending_curation','again','',NULL,5,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"pipeline_status":"pending_curation","fence":5,"not_before":1760011810.0,"due_at":1760011810.0,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":"default@2","updated_at":1760011810.0}');
INSERT INTO "events" VALUES(40,'5ba09d3602ea64fe402bb751','acme','acme/2025-10-09/001',1760011810.0,'reset','curated','pending_curation','again','',NULL,5,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"pipeline_status":"pending_curation","fence":5,"not_before":1760011810.0,"due_at":1760011810.0,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":"default@2","updated_at":1760011810.0}');
INSERT INTO "events" VALUES(41,'5bc5712fdd0465ab3d70dc26','acme','acme/2025-10-09/001',1760011810.0,'reset','curated','pending_curation','again','',NULL,5,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"pipeline_status":"pending_curation","fence":5,"not_before":1760011810.0,"due_at":1760011810.0,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":"default@2","updated_at":1760011810.0}');
INSERT INTO "events" VALUES(42,'65faadc473f8dac95d278efe','acme','acme/2025-10-09/001',1760011810.0,'reset','curated','pending_curation','again','',NULL,5,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"pipeline_status":"pending_curation","fence":5,"not_before":1760011810.0,"due_at":1760011810.0,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":"default@2","updated_at":1760011810.0}');
INSERT INTO "events" VALUES(43,'7d491dfc038a875a98d0e2b8','acme','acme/2025-10-09/001',1760011810.0,'reset','curated','pending_curation','again','',NULL,5,'{"lease_owner":null,"lease_until":null,"attempts":0,"retries":0,"retry_since":null,"suspect":false,"pipeline_status":"pending_curation","fence":5,"not_before":1760011810.0,"due_at":1760011810.0,"failure_class":null,"failure_reason":null,"failed_stage":null,"target":"default@2","updated_at":1760011810.0}');
CREATE TABLE evidence (
	image_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	body JSON NOT NULL, 
	engine TEXT NOT NULL, 
	model TEXT NOT NULL, 
	revision TEXT NOT NULL, 
	determinism TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	CONSTRAINT pk_evidence PRIMARY KEY (image_id, stage, fingerprint)
);
INSERT INTO "evidence" VALUES('7d491dfc038a875a98d0e2b8','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('65faadc473f8dac95d278efe','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('2e65806e0d0e31f1be966f0e','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5ba09d3602ea64fe402bb751','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5bc5712fdd0465ab3d70dc26','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('7d491dfc038a875a98d0e2b8','enriched','enriched-1','{"stage":"enriched","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('65faadc473f8dac95d278efe','enriched','enriched-1','{"stage":"enriched","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('2e65806e0d0e31f1be966f0e','enriched','enriched-1','{"stage":"enriched","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5ba09d3602ea64fe402bb751','enriched','enriched-1','{"stage":"enriched","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5bc5712fdd0465ab3d70dc26','enriched','enriched-1','{"stage":"enriched","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('7d491dfc038a875a98d0e2b8','scored','scored-1','{"stage":"scored","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('65faadc473f8dac95d278efe','scored','scored-1','{"stage":"scored","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('2e65806e0d0e31f1be966f0e','scored','scored-1','{"stage":"scored","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5ba09d3602ea64fe402bb751','scored','scored-1','{"stage":"scored","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5bc5712fdd0465ab3d70dc26','scored','scored-1','{"stage":"scored","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('7d491dfc038a875a98d0e2b8','curated','curated-1','{"stage":"curated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('65faadc473f8dac95d278efe','curated','curated-1','{"stage":"curated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('2e65806e0d0e31f1be966f0e','curated','curated-1','{"stage":"curated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5ba09d3602ea64fe402bb751','curated','curated-1','{"stage":"curated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('5bc5712fdd0465ab3d70dc26','curated','curated-1','{"stage":"curated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('ad0776865c55abc0b8c5f4e6','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('639a1d6a227ce1d2fb7d61ff','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
INSERT INTO "evidence" VALUES('c893554fc77dc59b35eec178','validated','validated-1','{"stage":"validated","width":640}','embedded','none','1','bitwise','run-1',1760011200.0);
CREATE TABLE heartbeats (
	name TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	payload JSON NOT NULL, 
	CONSTRAINT pk_heartbeats PRIMARY KEY (name)
);
INSERT INTO "heartbeats" VALUES('regrade:regrade-held',1760011820.0,'{"hold_until":1760012500.0}');
INSERT INTO "heartbeats" VALUES('regrade:regrade-free',1760011830.0,'{"hold_until":0.0}');
INSERT INTO "heartbeats" VALUES('declared:gpu',1760011300.0,'{"code":"2.0+abc","image":"registry/gpu:v23"}');
INSERT INTO "heartbeats" VALUES('declared:cpu',1760011300.0,'{"code":"2.0+abc"}');
INSERT INTO "heartbeats" VALUES('running:gpu/e540cc4c8358',1760011400.0,'{"identity":{"code":"2.0+abc","image":"registry/gpu:v22"},"run_id":"r-old"}');
INSERT INTO "heartbeats" VALUES('running:cpu/d92679bc46ac',1760011400.0,'{"identity":{"code":"2.0+abc"},"run_id":"r-works"}');
INSERT INTO "heartbeats" VALUES('ledger:tenant/acme',1760011710.0,'{"account":{"outcomes|scored|completed":7,"seconds|scored":42.0,"gpu_seconds":56.0},"folded":["book:r1/scored","book:r2/scored"]}');
INSERT INTO "heartbeats" VALUES('ledger:tenant/zeta',1760011710.0,'{"account":{"outcomes|scored|completed":3,"seconds|scored":18.0,"gpu_seconds":24.0},"folded":["book:r2/scored"]}');
INSERT INTO "heartbeats" VALUES('book:r-works/scored',1760011700.0,'{"closed":false,"accounts":{"tenant/bolt":{"outcomes|scored|completed":1,"seconds|scored":30.0,"gpu_seconds":40.0}}}');
INSERT INTO "heartbeats" VALUES('sent:gpu:0',1760011900.0,'{"version":1,"id":"gpu:0","lane":"gpu","stages":["enriched","scored","curated"],"batches":["zeta/2025-10-09/001"],"regrade":false}');
INSERT INTO "heartbeats" VALUES('sent:gpu:1',1760011900.0,'{"version":1,"id":"gpu:1","lane":"gpu","stages":["enriched","scored","curated"],"batches":["bolt/2025-10-09/001"],"regrade":false}');
INSERT INTO "heartbeats" VALUES('run:r-works',1760012195.0,'{"stage":"validated","phase":"working","progress_at":1760012195.0}');
INSERT INTO "heartbeats" VALUES('run:gpu:0',1760012195.0,'{"stage":"enriched","phase":"working","progress_at":1760012195.0}');
INSERT INTO "heartbeats" VALUES('preflight:enriched',1760012100.0,'{"ok":false,"engine":"openai","problem":"server: it does not answer","identity":{},"run":"r-old","host":"vm","since":1760012000.0,"times":2}');
INSERT INTO "heartbeats" VALUES('preflight:scored',1760012000.0,'{"ok":true,"engine":"embedded","problem":"","identity":{"model":"niqe"},"run":"r-old","host":"vm"}');
INSERT INTO "heartbeats" VALUES('pace:enriched',1760012020.0,'{"seconds_per_row":3.5,"rows":10}');
INSERT INTO "heartbeats" VALUES('group:gpu',1760012100.0,'{"group":"gpu-group","desired":1,"in_service":0,"nothing_since":1760012100.0,"said":"no capacity of that type","quiet_since":1760012100.0,"rows":8}');
INSERT INTO "heartbeats" VALUES('blind:sending to gpu',1760012150.0,'{"since":1760012150.0,"error":"denied"}');
INSERT INTO "heartbeats" VALUES('arrivals',1760012198.0,'{"seconds":0.5,"registered":15}');
INSERT INTO "heartbeats" VALUES('reconciler',1760012200.0,'{"generation":1760012200,"watching_since":1760012140.0,"seconds":0.0,"due_rows":15,"requests":1,"covered":1,"cooling":0,"guarded":0,"missing_keys":0,"lapsed":0,"dead_runs":0,"buried":0,"live_runs":4,"totals":{"emitted|cpu":3,"reconciliations":3,"guarded":0,"deduplicated":3,"cooled":0,"lapsed":0,"buried":0,"seconds":0.0}}');
INSERT INTO "heartbeats" VALUES('book:r2/scored',1760011700.0,'{"closed":true,"accounts":{"tenant/acme":{"outcomes|scored|completed":2,"seconds|scored":12.0,"gpu_seconds":16.0},"tenant/zeta":{"outcomes|scored|completed":3,"seconds|scored":18.0,"gpu_seconds":24.0}}}');
INSERT INTO "heartbeats" VALUES('book:r3/scored',1760011700.0,'{"closed":true,"accounts":{"tenant/zeta":{"outcomes|scored|completed":4,"seconds|scored":30.0,"gpu_seconds":40.0}}}');
CREATE TABLE images (
	image_id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	version TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	batch TEXT NOT NULL, 
	landed_at FLOAT NOT NULL, 
	arrived_at FLOAT NOT NULL, 
	updated_at FLOAT NOT NULL, 
	object_state TEXT NOT NULL, 
	pipeline_status TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	retries INTEGER NOT NULL, 
	retry_since FLOAT, 
	not_before FLOAT NOT NULL, 
	due_at FLOAT, 
	lease_owner TEXT, 
	lease_until FLOAT, 
	fence BIGINT NOT NULL, 
	suspect BOOLEAN NOT NULL, 
	preview_bucket TEXT, 
	preview_key TEXT, 
	thumbnail_key TEXT, 
	sha256 TEXT, 
	phash TEXT, 
	evidence JSON NOT NULL, 
	verdict TEXT, 
	reasons JSON NOT NULL, 
	policy TEXT, 
	failure_class TEXT, 
	failure_reason TEXT, 
	failed_stage TEXT, target TEXT, 
	CONSTRAINT pk_images PRIMARY KEY (image_id)
);
INSERT INTO "images" VALUES('7d491dfc038a875a98d0e2b8','acme','bucket','acme/incoming/0.jpg','v1',1234,'acme/2025-10-09/001',1760011200.0,1760011200.0,1760011810.0,'present','pending_curation',0,0,NULL,1760011810.0,1760011810.0,NULL,NULL,5,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,'default@2');
INSERT INTO "images" VALUES('65faadc473f8dac95d278efe','acme','bucket','acme/incoming/1.jpg','v1',1234,'acme/2025-10-09/001',1760011201.0,1760011200.0,1760011810.0,'present','pending_curation',0,0,NULL,1760011810.0,1760011810.0,NULL,NULL,5,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,'default@2');
INSERT INTO "images" VALUES('2e65806e0d0e31f1be966f0e','acme','bucket','acme/incoming/2.jpg','v1',1234,'acme/2025-10-09/001',1760011202.0,1760011200.0,1760011810.0,'present','pending_curation',0,0,NULL,1760011810.0,1760011810.0,NULL,NULL,5,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,'default@2');
INSERT INTO "images" VALUES('5ba09d3602ea64fe402bb751','acme','bucket','acme/incoming/3.jpg','v1',1234,'acme/2025-10-09/001',1760011203.0,1760011200.0,1760011810.0,'present','pending_curation',0,0,NULL,1760011810.0,1760011810.0,NULL,NULL,5,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,'default@2');
INSERT INTO "images" VALUES('5bc5712fdd0465ab3d70dc26','acme','bucket','acme/incoming/4.jpg','v1',1234,'acme/2025-10-09/001',1760011204.0,1760011200.0,1760011810.0,'present','pending_curation',0,0,NULL,1760011810.0,1760011810.0,NULL,NULL,5,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1","enriched":"enriched-1","scored":"scored-1","curated":"curated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,'default@2');
INSERT INTO "images" VALUES('ad0776865c55abc0b8c5f4e6','zeta','bucket','zeta/incoming/0.jpg','v1',1234,'zeta/2025-10-09/001',1760011200.0,1760011200.0,1760011200.0,'present','pending_vlm_enrichment',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,1,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('639a1d6a227ce1d2fb7d61ff','zeta','bucket','zeta/incoming/1.jpg','v1',1234,'zeta/2025-10-09/001',1760011201.0,1760011200.0,1760011200.0,'present','pending_vlm_enrichment',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,1,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('c893554fc77dc59b35eec178','zeta','bucket','zeta/incoming/2.jpg','v1',1234,'zeta/2025-10-09/001',1760011202.0,1760011200.0,1760011200.0,'present','pending_vlm_enrichment',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,1,0,NULL,NULL,NULL,NULL,NULL,'{"validated":"validated-1"}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('5b05790b498ab2d97273fce3','bolt','bucket','bolt/incoming/0.jpg','v1',1234,'bolt/2025-10-09/001',1760011200.0,1760011200.0,1760011200.0,'present','pending_validation',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('09dc2d43ec53c1afef9862a3','bolt','bucket','bolt/incoming/1.jpg','v1',1234,'bolt/2025-10-09/001',1760011201.0,1760011200.0,1760011200.0,'present','pending_validation',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('5a74e0801ac0df2ef9aa9d69','bolt','bucket','bolt/incoming/2.jpg','v1',1234,'bolt/2025-10-09/001',1760011202.0,1760011200.0,1760011200.0,'present','pending_validation',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('d91a0e220813459ab6b94bf1','bolt','bucket','bolt/incoming/3.jpg','v1',1234,'bolt/2025-10-09/001',1760011203.0,1760011200.0,1760011200.0,'present','pending_validation',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('da99cb900ed20b20ad81dc82','bolt','bucket','bolt/incoming/4.jpg','v1',1234,'bolt/2025-10-09/001',1760011204.0,1760011200.0,1760011200.0,'present','pending_validation',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('f220b039c0dd6df56df17d2e','bolt','bucket','bolt/incoming/5.jpg','v1',1234,'bolt/2025-10-09/001',1760011205.0,1760011200.0,1760011200.0,'present','pending_validation',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "images" VALUES('934006c3012a926ec09642e0','bolt','bucket','bolt/incoming/6.jpg','v1',1234,'bolt/2025-10-09/001',1760011206.0,1760011200.0,1760011200.0,'present','pending_validation',0,0,NULL,1760011200.0,1760011200.0,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'[]',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE likenesses (
	tenant TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	landed_at FLOAT NOT NULL, 
	image_id TEXT NOT NULL, 
	"view" BIGINT NOT NULL, 
	CONSTRAINT pk_likenesses PRIMARY KEY (tenant, "key", landed_at, image_id)
)
 WITHOUT ROWID

;
CREATE TABLE parjanya_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT parjanya_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "parjanya_schema" VALUES('0006');
CREATE TABLE policies (
	ref TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	document JSON NOT NULL, 
	published_at FLOAT NOT NULL, 
	CONSTRAINT pk_policies PRIMARY KEY (ref)
);
CREATE TABLE regrades (
	replay_id TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	tenants JSON NOT NULL, 
	since TEXT NOT NULL, 
	until TEXT NOT NULL, 
	started_at FLOAT NOT NULL, 
	reset_at FLOAT, 
	CONSTRAINT pk_regrades PRIMARY KEY (replay_id)
);
INSERT INTO "regrades" VALUES('regrade-held','default@2','["acme"]','','',1760011800.0,NULL);
INSERT INTO "regrades" VALUES('regrade-free','default@2','["zeta"]','','',1760011800.0,NULL);
CREATE TABLE replays (
	replay_id TEXT NOT NULL, 
	batch TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	rows INTEGER NOT NULL, 
	CONSTRAINT pk_replays PRIMARY KEY (replay_id, batch, stage)
);
INSERT INTO "replays" VALUES('regrade-held','acme/2025-10-09/001','curated',1760011810.0,5);
CREATE TABLE tenants (
	slug TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	weight FLOAT NOT NULL, 
	status TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	CONSTRAINT pk_tenants PRIMARY KEY (slug)
);
INSERT INTO "tenants" VALUES('acme','bucket','acme/incoming/','default@2',1.0,'active',1760011200.0);
INSERT INTO "tenants" VALUES('zeta','bucket','zeta/incoming/','default@2',1.0,'active',1760011200.0);
INSERT INTO "tenants" VALUES('bolt','bucket','bolt/incoming/','default@1',1.0,'active',1760011200.0);
CREATE TABLE tokens (
	token_id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	revoked_at FLOAT, 
	CONSTRAINT pk_tokens PRIMARY KEY (token_id)
);
CREATE TABLE uploads (
	upload_id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	content_type TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	requested_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	token_id TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	status TEXT NOT NULL, 
	due_at FLOAT, 
	settled_at FLOAT, 
	reason TEXT NOT NULL, 
	image_id TEXT, 
	CONSTRAINT pk_uploads PRIMARY KEY (upload_id)
);
CREATE INDEX ix_events_image_id_event_id ON events (image_id, event_id);
CREATE INDEX ix_images_batch_image_id ON images (batch, image_id);
CREATE INDEX ix_images_due ON images (pipeline_status, batch, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_images_key ON images ("key");
CREATE INDEX ix_images_leased ON images (lease_until) WHERE lease_owner IS NOT NULL;
CREATE INDEX ix_batches_tenant_day_number ON batches (tenant, day, number);
CREATE INDEX ix_batches_stale_manifest ON batches (batch) WHERE decided <> manifest;
CREATE INDEX ix_images_tally ON images (tenant, object_state, pipeline_status, verdict, failure_class);
CREATE INDEX ix_images_present ON images (tenant, image_id) WHERE object_state = 'present';
CREATE INDEX ix_images_failed ON images (tenant, failure_class, image_id) WHERE pipeline_status = 'failed';
CREATE INDEX ix_images_troubled ON images (updated_at) WHERE due_at IS NOT NULL AND (retry_since IS NOT NULL OR suspect);
CREATE INDEX ix_images_twins ON images (tenant, sha256, landed_at, image_id) WHERE sha256 IS NOT NULL;
CREATE INDEX ix_images_target ON images (batch) WHERE target IS NOT NULL;
CREATE INDEX ix_images_decided ON images (tenant, policy, batch) WHERE pipeline_status = 'curated' AND object_state = 'present';
CREATE INDEX ix_regrades_open ON regrades (replay_id) WHERE reset_at IS NULL;
CREATE INDEX ix_uploads_due ON uploads (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_tokens_tenant ON tokens (tenant);
COMMIT;
