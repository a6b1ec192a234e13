import { audit } from '../../runtime/people/audit.ts'
import { memberScopes } from '../../runtime/people/identity.ts'
import type { Queryable } from '../../runtime/database/index.ts'
import { createToken, listTokens, revokeToken, revokeTokensOf } from '../store/access-tokens.ts'
import { endBrowserSessionsOf } from '../store/browser-sessions.ts'
import { ensurePerson, findPerson, listPeople, setDisabled } from '../store/people.ts'
import { createLink, linkSeconds } from '../store/sign-in-links.ts'
import { operator, table, UsageError, type Command } from './command.ts'

const who = { tenant: { type: 'string' }, user: { type: 'string' } } as const
const person = { ...who, name: { type: 'string' }, role: { type: 'string' } } as const

/** @throws UsageError when there is no such person */
async function known(tx: Queryable, tenant: string, user: string): Promise<void> {
  if ((await findPerson(tx, { tenant, id: user })) === undefined)
    throw new UsageError(
      `there is no "${user}" in tenant "${tenant}": see "admin users list", or make them with "admin users add --tenant ${tenant} --user ${user}"`,
    )
}

/** Commands for letting people in and out. */
export const peopleCommands: Readonly<Record<string, Command>> = {
  'sign-in-link': {
    usage:
      'sign-in-link --tenant TENANT --user USER [--name NAME] [--role member|admin] [--url URL]',
    summary:
      'A link that lets a person in once, within ten minutes; makes person and tenant where there are none.',
    options: { ...person, url: { type: 'string' } },
    async run({ database, publicURL }, given) {
      const [tenant, id, base] = [given.tenant(), given.user(), given.text('url') ?? publicURL]
      if (!URL.canParse(base) || !/^https?:/.test(base))
        throw new UsageError(
          `--url is "${base}": give the service's address, such as https://opencode.example.com`,
        )
      const secret = await database.transaction(async (tx) => {
        const [name, role] = [given.text('name'), given.role()]
        const found = await ensurePerson(
          tx,
          {
            tenant,
            id,
            ...(name === undefined ? {} : { name }),
            ...(role === undefined ? {} : { role }),
          },
          operator,
        )
        if (found.disabled_at !== null)
          throw new UsageError(
            `"${id}" is disabled: run "admin users enable --tenant ${tenant} --user ${id}" first`,
          )
        return createLink(tx, { tenant, user: id }, operator)
      })
      const link = `${new URL('/sign-in', base).href}#${secret}`
      const expires = new Date(Date.now() + linkSeconds * 1_000)
      return { text: link, data: { link, tenant, user: id, expires } }
    },
  },
  'sign-out': {
    usage: 'sign-out --tenant TENANT --user USER [--tokens]',
    summary: 'Ends all browser sessions of a person, and with --tokens their access tokens too.',
    options: { ...who, tokens: { type: 'boolean' } },
    async run({ database }, given) {
      const owner = { tenant: given.tenant(), user: given.user() }
      const ended = await database.transaction(async (tx) => {
        await known(tx, owner.tenant, owner.user)
        const browsers = await endBrowserSessionsOf(tx, owner)
        const tokens = given.flag('tokens') ? await revokeTokensOf(tx, owner) : 0
        await audit(tx, {
          tenant: owner.tenant,
          actor: operator,
          action: 'sign-out-user',
          object: `${owner.user} browsers=${browsers.toString()} tokens=${tokens.toString()}`,
        })
        return { browsers, tokens }
      })
      return {
        text: `ended ${ended.browsers.toString()} browser sessions and ${ended.tokens.toString()} tokens; open streams end within 15 s`,
        data: { ...owner, ...ended },
      }
    },
  },
  'token create': {
    usage:
      'token create --tenant TENANT --user USER --name NAME [--scopes read,write,shell] [--days 90]',
    summary: 'A personal access token for programs; its secret is shown this once.',
    options: { ...person, scopes: { type: 'string' }, days: { type: 'string' } },
    async run({ database }, given) {
      const [tenant, user, name] = [given.tenant(), given.user(), given.required('name')]
      const token = await database.transaction(async (tx) => {
        await known(tx, tenant, user)
        const [scopes, days] = [given.scopes(memberScopes), given.whole('days', 90, 3_650)]
        return createToken(tx, { tenant, user, name, scopes, days }, operator)
      })
      return { text: token.secret, data: token }
    },
  },
  'token list': {
    usage: 'token list [--tenant TENANT] [--user USER]',
    summary: 'Access tokens, newest first, without their secrets.',
    options: who,
    async run({ database }, given) {
      const data = await listTokens(database, {
        tenant: given.text('tenant'),
        user: given.text('user'),
      })
      return { text: table(data as unknown as Record<string, unknown>[], 'no tokens'), data }
    },
  },
  'token revoke': {
    usage: 'token revoke ID',
    summary: 'Ends a token; open streams end within 15 s.',
    options: {},
    words: 1,
    async run({ database }, given) {
      const id = given.word('token')
      const token = await database.transaction((tx) => revokeToken(tx, id, operator))
      if (token === undefined)
        throw new UsageError(`there is no token "${id}": "admin token list" shows their ids`)
      return { text: `token ${id} "${token.name}" of ${token.user_id} is revoked`, data: token }
    },
  },
  'users list': {
    usage: 'users list [--tenant TENANT]',
    summary: 'People who were added here; those of an identity provider alone are not.',
    options: { tenant: { type: 'string' } },
    async run({ database }, given) {
      const data = await listPeople(database, given.text('tenant'))
      return { text: table(data as unknown as Record<string, unknown>[], 'no people'), data }
    },
  },
  'users add': {
    usage: 'users add --tenant TENANT --user USER [--name NAME] [--role member|admin]',
    summary: 'Adds a person, or changes the name or the role of one who is there.',
    options: person,
    async run({ database }, given) {
      const [name, role] = [given.text('name'), given.role()]
      const wanted = {
        tenant: given.tenant(),
        id: given.user(),
        ...(name === undefined ? {} : { name }),
        ...(role === undefined ? {} : { role }),
      }
      const data = await database.transaction((tx) => ensurePerson(tx, wanted, operator))
      return { text: `${data.id} is a ${data.role} of ${data.tenant}`, data }
    },
  },
  'users disable': disabling(true),
  'users enable': disabling(false),
}

function disabling(disabled: boolean): Command {
  const verb = disabled ? 'disable' : 'enable'
  return {
    usage: `users ${verb} --tenant TENANT --user USER`,
    summary: disabled
      ? 'Shuts a person out, whatever they sign in with; open streams end within 15 s.'
      : 'Lets a person in again.',
    options: who,
    async run({ database }, given) {
      const owner = { tenant: given.tenant(), id: given.user() }
      await database.transaction(async (tx) => {
        // Somebody of an identity provider need not have a row yet.
        if (disabled) await ensurePerson(tx, owner, operator)
        else await known(tx, owner.tenant, owner.id)
        await setDisabled(tx, { ...owner, disabled }, operator)
      })
      return { text: `${owner.id} of ${owner.tenant} is ${verb}d`, data: { ...owner, disabled } }
    },
  }
}
