import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classify } from '../../services/runtime/database/index.ts'

describe('classify', () => {
  it.each([
    'SELECT 1',
    'select id, info from sessions where tenant = $1 order by id limit 10',
    'WITH recent AS (SELECT * FROM sessions WHERE updated > $1) SELECT count(*) FROM recent',
    'WITH RECURSIVE tree(id, depth) AS (SELECT id, 0 FROM s UNION ALL SELECT s.id, depth + 1 FROM s JOIN tree ON s.parent = tree.id) SELECT * FROM tree',
    'VALUES (1), (2)',
    'TABLE sessions',
    '(SELECT 1) UNION (SELECT 2)',
    `SELECT 'INSERT INTO x; DELETE FROM y' AS text`,
    `SELECT $tag$ nextval('x'); DROP TABLE y $tag$`,
    `SELECT E'it\\'s; DELETE FROM x'`,
    'SELECT 1 -- ; DELETE FROM x',
    'SELECT /* nested /* ; DELETE */ nextval( */ 1',
    'SELECT "update", t.delete FROM "for update" t',
    `SELECT coalesce(max(seq), 0), now() - interval '1 day' FROM session_events`,
    'SELECT pg_catalog.lower(name) FROM x WHERE id IN (1, 2) AND EXISTS (SELECT 1)',
    'SELECT a::numeric(10,2), b::varchar(20) FROM x;',
    'SELECT * FROM jsonb_to_recordset($1) AS x(id text, seq int)',
  ])('lets a replica answer %s', (text) => {
    expect(classify(text)).toEqual({ type: 'SELECT', primaryReason: undefined })
  })

  it.each([
    ['INSERT INTO x VALUES (1)', 'INSERT', 'write'],
    ['update x set a = 1', 'UPDATE', 'write'],
    ['  /* hi */ DELETE FROM x', 'DELETE', 'write'],
    ['MERGE INTO x USING y ON x.id = y.id WHEN MATCHED THEN DELETE', 'MERGE', 'write'],
    ['WITH gone AS (DELETE FROM x RETURNING *) SELECT * FROM gone', 'DELETE', 'write'],
    [
      'WITH a AS (SELECT 1), b AS (INSERT INTO x SELECT 1 RETURNING *) SELECT * FROM a, b',
      'INSERT',
      'write',
    ],
    ['SELECT * INTO copy FROM x', 'SELECT', 'write'],
    ['SELECT * FROM x FOR UPDATE', 'SELECT', 'lock'],
    ['SELECT * FROM x FOR NO KEY UPDATE SKIP LOCKED', 'SELECT', 'lock'],
    ['SELECT * FROM x FOR SHARE', 'SELECT', 'lock'],
    ['SELECT * FROM x FOR KEY SHARE', 'SELECT', 'lock'],
    [`SELECT nextval('seq')`, 'SELECT', 'function'],
    [`SELECT pg_catalog.nextval('seq')`, 'SELECT', 'function'],
    [`SELECT "nextval"('seq')`, 'SELECT', 'function'],
    ['SELECT random()', 'SELECT', 'function'],
    ['SELECT pg_advisory_lock (1)', 'SELECT', 'function'],
    ['SELECT pg_advisory_lock/* c */(1)', 'SELECT', 'function'],
    ['SELECT mine.lower(a) FROM x', 'SELECT', 'function'],
    ['SELECT 1; DELETE FROM x', 'OTHER', 'several statements'],
    ['CREATE TABLE x (id int)', 'OTHER', 'not a query'],
    ['COPY x TO STDOUT', 'OTHER', 'not a query'],
    ['EXPLAIN ANALYZE DELETE FROM x', 'OTHER', 'not a query'],
    ['SET search_path = x', 'OTHER', 'not a query'],
    ['DO $$ BEGIN DELETE FROM x; END $$', 'OTHER', 'not a query'],
    ['', 'OTHER', 'not a query'],
    ['BEGIN', 'TRANSACTION', 'not a query'],
    ['start transaction', 'TRANSACTION', 'not a query'],
  ])('keeps %s on the primary', (text, type, primaryReason) => {
    expect(classify(text)).toMatchObject({ type, primaryReason })
  })

  it('lets a replica answer a call of a function that is declared stable', () => {
    const own = new Set(['tenant_of', 'app.title'])
    expect(
      classify('SELECT tenant_of(id), app.title(id) FROM x', own).primaryReason,
    ).toBeUndefined()
    expect(classify('SELECT other.title(id) FROM x', own)).toMatchObject({
      primaryReason: 'function',
      call: 'title',
    })
  })

  it('never lets a write past, however it is wrapped in comments, case and white space', () => {
    const gap = fc.constantFrom(' ', '\n', '\t', ' /* x */ ', ' -- y\n', ' /* a /* b */ c */ ')
    const word = (text: string): fc.Arbitrary<string> =>
      fc
        .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
        .map((upper) =>
          [...text]
            .map((letter, index) => (upper[index] === true ? letter.toUpperCase() : letter))
            .join(''),
        )
    const write = fc.constantFrom('delete', 'insert', 'update', 'merge').chain(word)
    fc.assert(
      fc.property(gap, write, gap, word('with'), (before, verb, after, start) => {
        const text = `${before}${start} x as (${before}${verb}${after}y returning *)${after}select * from x`
        return classify(text).primaryReason === 'write'
      }),
    )
  })

  it('ends on any text', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            '/*',
            '*/',
            "'",
            '"',
            '$$',
            '$a$',
            ';',
            '(',
            'select',
            ' ',
            '\\',
            'E',
            '--',
            '\n',
          ),
        }),
        (text) => {
          expect(classify(text).type).toBeTypeOf('string')
        },
      ),
    )
  })
})
