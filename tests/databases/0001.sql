BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE cursors (
	name TEXT NOT NULL, 
	reached_at DATETIME NOT NULL, 
	moved_at DATETIME NOT NULL, 
	CONSTRAINT pk_cursors PRIMARY KEY (name)
);
INSERT INTO "cursors" VALUES('query-api:cs.CL','2024-01-04 09:30:00.000000','2024-01-01 09:30:00.000000');
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
CREATE TABLE paper_categories (
	arxiv_id TEXT NOT NULL, 
	category TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	CONSTRAINT pk_paper_categories PRIMARY KEY (arxiv_id, category), 
	CONSTRAINT fk_paper_categories_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id) ON DELETE CASCADE
);
INSERT INTO "paper_categories" VALUES('2401.00001','cs.CL',0);
INSERT INTO "paper_categories" VALUES('2401.00001','cs.LG',1);
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
	last_changed_at DATETIME NOT NULL, 
	CONSTRAINT pk_papers PRIMARY KEY (arxiv_id)
);
INSERT INTO "papers" VALUES('2401.00001',2,'A made-up paper','It stands for what a user held, revised.','["Ada Example", "Ørsted Example"]','cs.CL','9 pages',NULL,'10.0000/example','2024-01-01 09:30:00.000000','2024-01-04 09:30:00.000000','query-api','2024-01-01 09:30:00.000000','2024-01-05 09:30:00.000000');
CREATE TABLE profile_matches (
	profile TEXT NOT NULL, 
	arxiv_id TEXT NOT NULL, 
	terms JSON NOT NULL, 
	CONSTRAINT pk_profile_matches PRIMARY KEY (profile, arxiv_id), 
	CONSTRAINT fk_profile_matches_arxiv_id_papers FOREIGN KEY(arxiv_id) REFERENCES papers (arxiv_id) ON DELETE CASCADE
);
INSERT INTO "profile_matches" VALUES('llm','2401.00001','["language model*"]');
CREATE TABLE profiles (
	name TEXT NOT NULL, 
	definition JSON NOT NULL, 
	matched_at DATETIME NOT NULL, 
	CONSTRAINT pk_profiles PRIMARY KEY (name)
);
INSERT INTO "profiles" VALUES('llm','{"always": ["cs.CL"], "terms": ["language model*"]}','2024-01-01 09:30:00.000000');
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
	process JSON NOT NULL, 
	CONSTRAINT pk_receipts PRIMARY KEY (id)
);
INSERT INTO "receipts" VALUES(1,'query-api','window','cat:cs.CL','complete','','2024-01-01 09:30:00.000000','2024-01-01 09:30:00.000000',1,1,1,1,0,0,0,0.0,NULL,'2024-01-04 09:30:00.000000','{"host": "example", "pid": 1}');
CREATE TABLE run_points (
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	step INTEGER NOT NULL, 
	time FLOAT NOT NULL, 
	value FLOAT NOT NULL, 
	CONSTRAINT pk_run_points PRIMARY KEY (run_id, name, step), 
	CONSTRAINT fk_run_points_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
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
CREATE INDEX ix_papers_first_held_at ON papers (first_held_at);
CREATE INDEX ix_papers_submitted_at ON papers (submitted_at);
CREATE INDEX ix_papers_updated_at ON papers (updated_at);
CREATE INDEX ix_receipts_started_at ON receipts (started_at);
CREATE INDEX ix_receipts_status ON receipts (status);
CREATE INDEX ix_runs_created_at ON runs (created_at);
CREATE INDEX ix_runs_recipe ON runs (recipe);
CREATE INDEX ix_verdicts_claim_id ON verdicts (claim_id);
CREATE INDEX ix_measurements_claim_id ON measurements (claim_id);
CREATE INDEX ix_paper_categories_category_arxiv_id ON paper_categories (category, arxiv_id);
CREATE INDEX ix_profile_matches_arxiv_id ON profile_matches (arxiv_id);
COMMIT;
