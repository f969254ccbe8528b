"""The tables of a ledger, as docs/ledger.md describes them, and what older ones lack."""

SCHEMA_VERSION = 11
OLDEST_SCHEMA = 5  # of those that can be brought up to date
NUMBERED = 6  # the first with a table of numbers
ORDERED = 7  # the first in which slices have a sequence
HINTED = 8  # the first in which slices have fingerprints, and runs hints
FOLLOWED = 9  # the first that knows of followers
OF_ALL_KINDS = 10  # the first in which images of further kinds have a table
PARTED = 11  # the first that says which slices were a backlog
NUMBERS = """
CREATE TABLE numbers (
    run TEXT NOT NULL REFERENCES runs, slice INTEGER NOT NULL, name TEXT NOT NULL, value REAL, unit TEXT NOT NULL,
    PRIMARY KEY (run, slice, name)
) WITHOUT ROWID;
"""
ORDER = """
ALTER TABLE slices ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE slices ADD COLUMN counted REAL NOT NULL DEFAULT 0;
UPDATE slices SET sequence = ranked.place FROM
    (SELECT run, slice, ROW_NUMBER() OVER (ORDER BY recorded, run, slice) AS place FROM slices) AS ranked
    WHERE slices.run = ranked.run AND slices.slice = ranked.slice;
CREATE INDEX stored_order ON slices (sequence) WHERE state = 'stored';
CREATE TABLE clock (boot TEXT NOT NULL, ahead REAL NOT NULL);
"""
HINTS = """
CREATE TABLE hints (run TEXT PRIMARY KEY REFERENCES runs, hints TEXT NOT NULL) WITHOUT ROWID;
"""
FOLLOWERS = """
CREATE TABLE followers (
    name TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs, next INTEGER NOT NULL, needs INTEGER NOT NULL,
    folder TEXT NOT NULL, PRIMARY KEY (name, run)
) WITHOUT ROWID;
"""
KINDS = """
CREATE TABLE files (
    run TEXT NOT NULL REFERENCES runs, slice INTEGER NOT NULL, kind TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (run, slice, kind)
) WITHOUT ROWID;
"""
BACKLOG = """
CREATE TABLE backlog (
    run TEXT NOT NULL REFERENCES runs, begin INTEGER NOT NULL, end INTEGER NOT NULL, PRIMARY KEY (run, begin)
) WITHOUT ROWID;
"""
MIGRATIONS = {5: NUMBERS, 6: ORDER, 7: HINTS, 8: FOLLOWERS, 9: KINDS, 10: BACKLOG}
"""What each schema lacks of the next one. Tables and columns are added, and nothing else is changed."""

SCHEMA = f"""
CREATE TABLE directory (selection TEXT NOT NULL);
CREATE TABLE runs (
    run TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, measurement_set TEXT NOT NULL, total INTEGER NOT NULL,
    final INTEGER NOT NULL, opened REAL NOT NULL
);
CREATE TABLE slices (
    run TEXT NOT NULL REFERENCES runs, slice INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('stored', 'failed', 'expired')), reason TEXT,
    file TEXT UNIQUE, bytes INTEGER, digest TEXT, psf TEXT UNIQUE, psf_bytes INTEGER, psf_digest TEXT,
    integration INTEGER, label TEXT, empty INTEGER, quality TEXT,
    begin REAL, average REAL, end REAL, attempt INTEGER NOT NULL, worker TEXT, seconds TEXT,
    rms REAL, minimum REAL, maximum REAL, major REAL, minor REAL, angle REAL, recorded REAL NOT NULL,
    PRIMARY KEY (run, slice)
) WITHOUT ROWID;
{NUMBERS}{ORDER}{HINTS}{FOLLOWERS}{KINDS}{BACKLOG}"""
