/** Most events that are read at once. */
const EVENTS = 500
/** Bytes after which a page ends; one event may be larger, and then it is alone or the page's last. */
const BYTES = 2 ** 20

/**
 * SQL of a page of the event log: a table that stands after `FROM`. Rows are counted and their bytes too, so that no page is more
 * than a process can hold, and each has at least one event where there is any.
 * @param where - The condition, with its `WHERE`.
 * @param order - Columns that order the log.
 */
export function page(where: string, order: string): string {
  return `(SELECT * FROM (
    SELECT *, sum(octet_length(data::text)) OVER (ORDER BY ${order}) - octet_length(data::text) AS before
    FROM (SELECT * FROM session_events ${where} ORDER BY ${order} LIMIT ${EVENTS.toString()}) rows
  ) sized WHERE before < ${BYTES.toString()})`
}
