/**
 * Functions a statement may call and still be answered by a replica. A list of what is allowed, not of what is forbidden:
 * a function nobody thought of (a new one, one of our own, `nextval`, `random`, `pg_advisory_lock`) goes to the primary.
 * A test compares the list with `pg_proc` of a real server: no overload may be volatile.
 */
export const stableFunctions: ReadonlySet<string> = new Set([
  // aggregates and windows
  'array_agg', 'avg', 'bool_and', 'bool_or', 'count', 'dense_rank', 'every', 'first_value', 'json_agg', 'json_object_agg', 'jsonb_agg',
  'jsonb_object_agg', 'lag', 'last_value', 'lead', 'max', 'min', 'nth_value', 'ntile', 'percentile_cont', 'percentile_disc', 'rank',
  'row_number', 'string_agg', 'sum',
  // numbers
  'abs', 'ceil', 'ceiling', 'floor', 'ln', 'log', 'mod', 'power', 'round', 'sign', 'sqrt', 'trunc', 'width_bucket',
  // text and bytes
  'ascii', 'btrim', 'chr', 'concat', 'concat_ws', 'convert_from', 'convert_to', 'decode', 'encode', 'format', 'initcap', 'length', 'lower', 'lpad',
  'ltrim', 'md5', 'octet_length', 'quote_ident', 'quote_literal', 'regexp_match', 'regexp_matches', 'regexp_replace', 'repeat', 'replace',
  'reverse', 'rpad', 'rtrim', 'sha256', 'split_part', 'starts_with', 'string_to_array', 'strpos', 'substr', 'to_hex', 'translate', 'upper',
  // time
  'age', 'date_bin', 'date_part', 'date_trunc', 'make_date', 'make_interval', 'make_timestamptz', 'now', 'to_char', 'to_date', 'to_number',
  'to_timestamp', 'transaction_timestamp', 'statement_timestamp',
  // arrays and JSON
  'array_append', 'array_cat', 'array_length', 'array_position', 'array_remove', 'array_to_json', 'array_to_string', 'cardinality',
  'generate_series', 'json_array_elements', 'json_array_length', 'json_build_array', 'json_build_object', 'jsonb_array_elements',
  'jsonb_array_elements_text', 'jsonb_array_length', 'jsonb_build_array', 'jsonb_build_object', 'jsonb_each', 'jsonb_each_text',
  'jsonb_extract_path', 'jsonb_extract_path_text', 'jsonb_object_keys', 'jsonb_path_exists', 'jsonb_path_query', 'jsonb_pretty', 'jsonb_set',
  'jsonb_strip_nulls', 'jsonb_to_record', 'jsonb_to_recordset', 'jsonb_typeof', 'row_to_json', 'to_json', 'to_jsonb', 'unnest',
  // catalogue
  'current_schema', 'current_setting', 'to_regclass', 'version',
])

/** Words that stand before a parenthesis without being a function: keywords, SQL's own forms, types with a modifier. */
export const notFunctions: ReadonlySet<string> = new Set([
  'all', 'and', 'any', 'array', 'as', 'between', 'by', 'case', 'cast', 'coalesce', 'cube', 'distinct', 'else', 'except', 'exists', 'extract',
  'filter', 'from', 'greatest', 'group', 'grouping', 'having', 'ilike', 'in', 'intersect', 'is', 'join', 'lateral', 'least', 'like', 'limit',
  'materialized', 'not', 'nullif', 'offset', 'on', 'only', 'or', 'order', 'over', 'overlay', 'partition', 'position', 'rollup', 'row', 'select',
  'sets', 'similar', 'some', 'substring', 'then', 'to', 'trim', 'union', 'using', 'values', 'when', 'where', 'window', 'within', 'xor',
  'bit', 'bpchar', 'char', 'character', 'decimal', 'interval', 'numeric', 'time', 'timestamp', 'timestamptz', 'varbit', 'varchar', 'varying',
])
