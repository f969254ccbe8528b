PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE jobs (
    job TEXT PRIMARY KEY, submit TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, submitted REAL NOT NULL
);
INSERT INTO jobs VALUES('small-30d749','{"job":"small-30d749","paths":["PLACE/small.ms"],"selection":{"subset":{"field":[],"spw":[],"scan":[],"antenna":[],"uv_range":null,"interval":null,"time_range":null,"average":null},"column":"auto","subtract_model":false,"stokes":["I"],"size":null,"scale":null,"epsilon":0.00001,"kernel":"auto","weighting":"natural","robust":0.0,"taper":null,"channels_out":1,"make_psf":false,"phase_centre":null},"directory":"small-30d749","pace":null,"follow":null}','queued','',1795962442.4119498729);
INSERT INTO jobs VALUES('small-905115','{"job":"small-905115","paths":["PLACE/small.ms"],"selection":{"subset":{"field":[],"spw":[{"windows":[0,0],"channels":[[0,2]]}],"scan":[],"antenna":[],"uv_range":{"least":1.0,"most":900.0,"unit":"m"},"interval":null,"time_range":null,"average":{"length":2.0,"unit":"integrations"}},"column":"auto","subtract_model":false,"stokes":["I"],"size":[32,24],"scale":0.00019150140403826672,"epsilon":0.00001,"kernel":"auto","weighting":"briggs","robust":0.5,"taper":null,"channels_out":1,"make_psf":false,"phase_centre":{"longitude":1.0000736613927508,"latitude":-0.5000368306963754,"frame":null}},"directory":"small-905115","pace":1.0,"follow":{"complete_after":10.0,"end_after":300.0}}','queued','',1795962443.1156635284);
COMMIT;
