/**
 * What clients see of a prompt before the engine has it: the user's message, until it is in the log, and whether the turn
 * makes its session busy.
 */
export const sql = /* sql */ `
ALTER TABLE turns ADD COLUMN prompt json, ADD COLUMN prompt_id text, ADD COLUMN work boolean;
CREATE INDEX turns_prompts ON turns (session_id) WHERE prompt_id IS NOT NULL;
`
