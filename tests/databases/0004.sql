BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE alerts (
	id INTEGER NOT NULL, 
	arxiv_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	details JSON NOT NULL, 
	raised_at DATETIME NOT NULL, 
	seen_at DATETIME, 
	CONSTRAINT pk_alerts PRIMARY KEY (id)
);
INSERT INTO "alerts" VALUES(1,'2401.00001','replaced','{"from": 1, "to": 2}','2024-01-05 09:30:00.000000',NULL);
CREATE TABLE announcements (
	arxiv_id TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	announced_at DATETIME NOT NULL, 
	first_seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_announcements PRIMARY KEY (arxiv_id, version, kind)
);
INSERT INTO "announcements" VALUES('2401.00001',2,'replace','2024-01-05 09:30:00.000000','2024-01-05 09:30:00.000000');
CREATE TABLE claim_decisions (
	id INTEGER NOT NULL, 
	claim_id TEXT NOT NULL, 
	decision TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	content_hash TEXT NOT NULL, 
	decided_at DATETIME NOT NULL, decided_by TEXT DEFAULT '' NOT NULL, source_version INTEGER, 
	CONSTRAINT pk_claim_decisions PRIMARY KEY (id)
);
INSERT INTO "claim_decisions" VALUES(1,'made-up-claim','confirmed','read in the paper','0000000000000000000000000000000000000000000000000000000000000000','2024-01-05 09:30:00.000000','reader',2);
CREATE TABLE code_links (
	arxiv_id TEXT NOT NULL, 
	url TEXT NOT NULL, 
	source TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	role TEXT NOT NULL, 
	details JSON NOT NULL, 
	found_at DATETIME NOT NULL, 
	CONSTRAINT pk_code_links PRIMARY KEY (arxiv_id, url, source)
);
INSERT INTO "code_links" VALUES('2401.00001','https://github.com/example/made-up','abstract','repository','own','{}','2024-01-05 09:30:00.000000');
CREATE TABLE cursors (
	name TEXT NOT NULL, 
	reached_at DATETIME NOT NULL, 
	moved_at DATETIME NOT NULL, 
	CONSTRAINT pk_cursors PRIMARY KEY (name)
);
INSERT INTO "cursors" VALUES('query-api:cs.CL','2024-01-04 09:30:00.000000','2024-01-01 09:30:00.000000');
CREATE TABLE feeds (
	url TEXT NOT NULL, 
	etag TEXT, 
	last_modified TEXT, 
	published_at DATETIME, 
	content_hash TEXT NOT NULL, 
	fetched_at DATETIME NOT NULL, 
	CONSTRAINT pk_feeds PRIMARY KEY (url)
);
INSERT INTO "feeds" VALUES('https://rss.example/rss/cs.CL','"x"',NULL,'2024-01-05 09:30:00.000000','0000000000000000000000000000000000000000000000000000000000000000','2024-01-05 09:30:00.000000');
CREATE TABLE gaps (
	arxiv_id TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	opened_at DATETIME NOT NULL, 
	tries INTEGER NOT NULL, 
	last_tried_at DATETIME, 
	closed_at DATETIME, 
	outcome TEXT, 
	CONSTRAINT pk_gaps PRIMARY KEY (arxiv_id, version)
);
INSERT INTO "gaps" VALUES('2401.00002',1,'rss','announced and not given','2024-01-05 09:30:00.000000',1,'2024-01-05 09:30:00.000000',NULL,NULL);
CREATE TABLE harvests (
	name TEXT NOT NULL, 
	state JSON NOT NULL, 
	updated_at DATETIME NOT NULL, 
	CONSTRAINT pk_harvests PRIMARY KEY (name)
);
INSERT INTO "harvests" VALUES('oai:cs:cs:CL','{"from": "2024-01-01"}','2024-01-05 09:30:00.000000');
CREATE TABLE measurements (
	run_id TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	claim_id TEXT, 
	task TEXT NOT NULL, 
	dataset TEXT NOT NULL, 
	split TEXT NOT NULL, 
	metric TEXT NOT NULL, 
	value FLOAT NOT NULL, 
	unit TEXT NOT NULL, 
	n INTEGER, 
	protocol JSON NOT NULL, 
	signature TEXT, 
	CONSTRAINT pk_measurements PRIMARY KEY (run_id, position), 
	CONSTRAINT fk_measurements_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE notes (
	id INTEGER NOT NULL, 
	arxiv_id TEXT NOT NULL, 
	text TEXT NOT NULL, 
	written_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	CONSTRAINT pk_notes PRIMARY KEY (id), 
	CONSTRAINT fk_notes_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id)
);
INSERT INTO "notes" VALUES(1,'2401.00001','worth a second look','2024-01-05 09:30:00.000000','2024-01-05 09:30:00.000000');
CREATE TABLE paper_categories (
	arxiv_id TEXT NOT NULL, 
	category TEXT NOT NULL, 
	position INTEGER NOT NULL, submitted_at DATETIME DEFAULT '1970-01-01 00:00:00.000000' NOT NULL, 
	CONSTRAINT pk_paper_categories PRIMARY KEY (arxiv_id, category), 
	CONSTRAINT fk_paper_categories_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id) ON DELETE CASCADE
);
INSERT INTO "paper_categories" VALUES('2401.00001','cs.CL',0,'2024-01-01 09:30:00.000000');
INSERT INTO "paper_categories" VALUES('2401.00001','cs.LG',1,'2024-01-01 09:30:00.000000');
CREATE TABLE paper_tags (
	tag TEXT NOT NULL, 
	arxiv_id TEXT NOT NULL, 
	tagged_at DATETIME NOT NULL, 
	CONSTRAINT pk_paper_tags PRIMARY KEY (tag, arxiv_id), 
	CONSTRAINT fk_paper_tags_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id)
);
INSERT INTO "paper_tags" VALUES('example','2401.00001','2024-01-05 09:30:00.000000');
CREATE TABLE paper_versions (
	arxiv_id TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	title TEXT NOT NULL, 
	abstract TEXT NOT NULL, 
	authors JSON NOT NULL, 
	categories JSON NOT NULL, 
	comment TEXT, 
	journal_ref TEXT, 
	doi TEXT, 
	updated_at DATETIME NOT NULL, 
	source TEXT NOT NULL, 
	held_at DATETIME NOT NULL, 
	CONSTRAINT pk_paper_versions PRIMARY KEY (arxiv_id, version), 
	CONSTRAINT fk_paper_versions_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id) ON DELETE CASCADE
);
INSERT INTO "paper_versions" VALUES('2401.00001',1,'A made-up paper','It stands for what a user held.','["Ada Example", "Ørsted Example"]','["cs.CL", "cs.LG"]','9 pages',NULL,NULL,'2024-01-01 09:30:00.000000','query-api','2024-01-01 09:30:00.000000');
INSERT INTO "paper_versions" VALUES('2401.00001',2,'A made-up paper','It stands for what a user held, revised.','["Ada Example", "Ørsted Example"]','["cs.CL", "cs.LG"]','9 pages',NULL,'10.0000/example','2024-01-04 09:30:00.000000','query-api','2024-01-05 09:30:00.000000');
CREATE TABLE papers (
	arxiv_id TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	title TEXT NOT NULL, 
	abstract TEXT NOT NULL, 
	authors JSON NOT NULL, 
	primary_category TEXT NOT NULL, 
	comment TEXT, 
	journal_ref TEXT, 
	doi TEXT, 
	submitted_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	source TEXT NOT NULL, 
	first_held_at DATETIME NOT NULL, 
	last_changed_at DATETIME NOT NULL, ordinal BIGINT DEFAULT '0' NOT NULL, withdrawn BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_papers PRIMARY KEY (arxiv_id)
);
INSERT INTO "papers" VALUES('2401.00001',2,'A made-up paper','It stands for what a user held, revised.','["Ada Example", "Ørsted Example"]','cs.CL','9 pages',NULL,'10.0000/example','2024-01-01 09:30:00.000000','2024-01-04 09:30:00.000000','query-api','2024-01-01 09:30:00.000000','2024-01-05 09:30:00.000000',202401000001,0);
CREATE TABLE profile_matches (
	profile TEXT NOT NULL, 
	arxiv_id TEXT NOT NULL, 
	terms JSON NOT NULL, submitted_at DATETIME DEFAULT '1970-01-01 00:00:00.000000' NOT NULL, 
	CONSTRAINT pk_profile_matches PRIMARY KEY (profile, arxiv_id), 
	CONSTRAINT fk_profile_matches_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id) ON DELETE CASCADE
);
INSERT INTO "profile_matches" VALUES('llm','2401.00001','["language model*"]','2024-01-01 09:30:00.000000');
CREATE TABLE profiles (
	name TEXT NOT NULL, 
	definition JSON NOT NULL, 
	matched_at DATETIME NOT NULL, 
	CONSTRAINT pk_profiles PRIMARY KEY (name)
);
INSERT INTO "profiles" VALUES('llm','{"always": ["cs.CL"], "terms": ["language model*"]}','2024-01-01 09:30:00.000000');
CREATE TABLE queue (
	id INTEGER NOT NULL, 
	recipe TEXT NOT NULL, 
	tier TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	overrides JSON NOT NULL, 
	gpus INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	why JSON NOT NULL, 
	predicted JSON NOT NULL, 
	added_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	run_id TEXT, 
	worker JSON NOT NULL, 
	message TEXT NOT NULL, 
	CONSTRAINT pk_queue PRIMARY KEY (id)
);
INSERT INTO "queue" VALUES(1,'transformer-base','smoke',4294967295,'{}',0,'waiting','{"claims": ["made-up-claim"]}','{"seconds": 60.0}','2024-01-05 09:30:00.000000',NULL,NULL,NULL,'{}','');
CREATE TABLE reading (
	arxiv_id TEXT NOT NULL, 
	starred_at DATETIME, 
	read_at DATETIME, 
	skipped_at DATETIME, 
	CONSTRAINT pk_reading PRIMARY KEY (arxiv_id), 
	CONSTRAINT fk_reading_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id)
);
INSERT INTO "reading" VALUES('2401.00001','2024-01-05 09:30:00.000000',NULL,NULL);
CREATE TABLE receipts (
	id INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	status TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	requests INTEGER NOT NULL, 
	announced INTEGER NOT NULL, 
	held INTEGER NOT NULL, 
	new INTEGER NOT NULL, 
	revised INTEGER NOT NULL, 
	unchanged INTEGER NOT NULL, 
	open INTEGER NOT NULL, 
	waited_s FLOAT NOT NULL, 
	cursor_before DATETIME, 
	cursor_after DATETIME, 
	process JSON NOT NULL, details JSON DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_receipts PRIMARY KEY (id)
);
INSERT INTO "receipts" VALUES(1,'query-api','window','cat:cs.CL','complete','','2024-01-01 09:30:00.000000','2024-01-01 09:30:00.000000',1,1,1,1,0,0,0,0.0,NULL,'2024-01-04 09:30:00.000000','{"host": "example", "pid": 1}','{}');
CREATE TABLE replays (
	id INTEGER NOT NULL, 
	recipe TEXT NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	equal BOOLEAN NOT NULL, 
	run_before TEXT NOT NULL, 
	run_after TEXT NOT NULL, 
	details JSON NOT NULL, 
	replayed_at DATETIME NOT NULL, 
	CONSTRAINT pk_replays PRIMARY KEY (id)
);
INSERT INTO "replays" VALUES(1,'made-up','0000000000000000000000000000000000000000000000000000000000000000','1111111111111111111111111111111111111111111111111111111111111111',1,'20240101-093000-made-up-smoke-0001','20240105-093000-made-up-smoke-0002','{"tier": "smoke", "seed": 1, "threads": 1}','2024-01-05 09:30:00.000000');
CREATE TABLE reported_results (
	"key" TEXT NOT NULL, 
	source TEXT NOT NULL, 
	task TEXT NOT NULL, 
	dataset TEXT NOT NULL, 
	model TEXT NOT NULL, 
	metric TEXT NOT NULL, 
	value_text TEXT NOT NULL, 
	value FLOAT, 
	details JSON NOT NULL, 
	arxiv_id TEXT, 
	imported_at DATETIME NOT NULL, 
	CONSTRAINT pk_reported_results PRIMARY KEY ("key")
);
INSERT INTO "reported_results" VALUES('0000000000000000000000000000000000000000000000000000000000000000','made-up.json','Translation','Made up','Example','BLEU','28.5*',28.5,'{}','2401.00001','2024-01-05 09:30:00.000000');
CREATE TABLE run_blocks (
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	level INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	first_step BIGINT NOT NULL, 
	last_step BIGINT NOT NULL, 
	not_finite INTEGER NOT NULL, 
	packed BLOB NOT NULL, 
	CONSTRAINT pk_run_blocks PRIMARY KEY (run_id, name, level, position), 
	CONSTRAINT fk_run_blocks_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE run_samples (
	run_id TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	output TEXT NOT NULL, 
	reference TEXT, 
	decoding JSON NOT NULL, 
	CONSTRAINT pk_run_samples PRIMARY KEY (run_id, position), 
	CONSTRAINT fk_run_samples_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE run_series (
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	points BIGINT NOT NULL, 
	not_finite BIGINT NOT NULL, 
	first_step BIGINT NOT NULL, 
	last_step BIGINT NOT NULL, 
	least FLOAT, 
	greatest FLOAT, 
	finite_first_step BIGINT, 
	finite_first_time FLOAT, 
	finite_first_value FLOAT, 
	finite_last_step BIGINT, 
	finite_last_time FLOAT, 
	finite_last_value FLOAT, 
	CONSTRAINT pk_run_series PRIMARY KEY (run_id, name), 
	CONSTRAINT fk_run_series_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	path TEXT NOT NULL, 
	reproduction TEXT NOT NULL, 
	recipe TEXT NOT NULL, 
	tier TEXT NOT NULL, 
	seed INTEGER NOT NULL, 
	overrides JSON NOT NULL, 
	fingerprint TEXT NOT NULL, 
	status TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME, 
	step INTEGER NOT NULL, 
	max_steps INTEGER, 
	device TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	seconds FLOAT, 
	record JSON NOT NULL, 
	"indexed" JSON NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id)
);
CREATE TABLE shown (
	channel TEXT NOT NULL, 
	arxiv_id TEXT NOT NULL, 
	shown_at DATETIME NOT NULL, 
	CONSTRAINT pk_shown PRIMARY KEY (channel, arxiv_id)
);
INSERT INTO "shown" VALUES('digest','2401.00001','2024-01-05 09:30:00.000000');
CREATE TABLE verdicts (
	id INTEGER NOT NULL, 
	claim_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	measured DOUBLE, 
	judged_at DATETIME NOT NULL, 
	computed_from JSON NOT NULL, 
	CONSTRAINT pk_verdicts PRIMARY KEY (id)
);
CREATE TABLE watch_matches (
	watchlist TEXT NOT NULL, 
	arxiv_id TEXT NOT NULL, 
	matched_at DATETIME NOT NULL, 
	shown_at DATETIME, 
	CONSTRAINT pk_watch_matches PRIMARY KEY (watchlist, arxiv_id), 
	CONSTRAINT fk_watch_matches_watchlist_watchlists FOREIGN KEY(watchlist) REFERENCES watchlists (name) ON DELETE CASCADE, 
	CONSTRAINT fk_watch_matches_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id) ON DELETE CASCADE
);
INSERT INTO "watch_matches" VALUES('made-up','2401.00001','2024-01-05 09:30:00.000000',NULL);
CREATE TABLE watchlists (
	name TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	matched_query TEXT, 
	CONSTRAINT pk_watchlists PRIMARY KEY (name)
);
INSERT INTO "watchlists" VALUES('made-up','title:"made up"','2024-01-05 09:30:00.000000','title:"made up"');
CREATE INDEX ix_papers_first_held_at ON papers (first_held_at);
CREATE INDEX ix_papers_submitted_at ON papers (submitted_at);
CREATE INDEX ix_papers_updated_at ON papers (updated_at);
CREATE INDEX ix_receipts_started_at ON receipts (started_at);
CREATE INDEX ix_receipts_status ON receipts (status);
CREATE INDEX ix_runs_created_at ON runs (created_at);
CREATE INDEX ix_runs_recipe ON runs (recipe);
CREATE INDEX ix_verdicts_claim_id ON verdicts (claim_id);
CREATE INDEX ix_measurements_claim_id ON measurements (claim_id);
CREATE INDEX ix_profile_matches_arxiv_id ON profile_matches (arxiv_id);
CREATE UNIQUE INDEX ix_papers_ordinal ON papers (ordinal);
CREATE INDEX ix_papers_last_changed_at_ordinal ON papers (last_changed_at, ordinal);
CREATE INDEX ix_paper_categories_category_submitted_at_arxiv_id ON paper_categories (category, submitted_at, arxiv_id);
CREATE INDEX ix_profile_matches_profile_submitted_at_arxiv_id ON profile_matches (profile, submitted_at, arxiv_id);
CREATE INDEX ix_announcements_announced_at ON announcements (announced_at);
CREATE INDEX ix_gaps_closed_at ON gaps (closed_at);
CREATE INDEX ix_watch_matches_arxiv_id ON watch_matches (arxiv_id);
CREATE INDEX ix_watch_matches_watchlist_shown_at ON watch_matches (watchlist, shown_at);
CREATE INDEX ix_alerts_arxiv_id ON alerts (arxiv_id);
CREATE INDEX ix_alerts_raised_at ON alerts (raised_at);
CREATE INDEX ix_reading_starred_at ON reading (starred_at);
CREATE INDEX ix_reading_read_at ON reading (read_at);
CREATE INDEX ix_reading_skipped_at ON reading (skipped_at);
CREATE INDEX ix_paper_tags_arxiv_id ON paper_tags (arxiv_id);
CREATE INDEX ix_notes_arxiv_id ON notes (arxiv_id);
CREATE INDEX ix_code_links_url ON code_links (url);
CREATE INDEX ix_reported_results_task_dataset_metric ON reported_results (task, dataset, metric);
CREATE INDEX ix_reported_results_arxiv_id ON reported_results (arxiv_id);
CREATE INDEX ix_claim_decisions_claim_id ON claim_decisions (claim_id);
CREATE INDEX ix_queue_state ON queue (state);
CREATE INDEX ix_queue_run_id ON queue (run_id);
CREATE INDEX ix_replays_recipe ON replays (recipe);
CREATE VIRTUAL TABLE full_text USING fts5(title, abstract, authors, comment, facets, content='', tokenize='ascii');
INSERT INTO full_text (rowid, title, abstract, authors, comment, facets) VALUES (202401000001, 'A made-up paper', 'It stands for what a user held, revised.', 'Ada Example · orsted example', '9 pages', 'every ccs0cl ccs0lg acs y2024 m202401 d20240101 ta tmade tpaper tup');
COMMIT;
