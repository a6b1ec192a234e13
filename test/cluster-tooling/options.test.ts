import { describe, expect, it } from 'vitest'
import { parseDownOptions, parseUpOptions } from '../../cluster/options.ts'

describe('parseUpOptions', () => {
  it('has defaults', () => {
    expect(parseUpOptions([])).toEqual({
      name: 'opencode',
      region: 'us',
      profile: 'embedded',
      port: 8080,
      offline: false,
    })
  })

  it('gives another region a name and a port of its own, so that two clusters run side by side', () => {
    expect(parseUpOptions(['--region', 'eu'])).toMatchObject({
      name: 'opencode-eu',
      region: 'eu',
      port: 8081,
    })
  })

  it('takes a name, a port and a profile', () => {
    const options = parseUpOptions([
      '--name',
      'second',
      '--port=9000',
      '--profile',
      'production',
      '--offline',
    ])
    expect(options).toEqual({
      name: 'second',
      region: 'us',
      profile: 'production',
      port: 9000,
      offline: true,
    })
  })

  it.each([
    [['--region', 'mars'], '--region "mars": use one of us, eu, apac.'],
    [['--profile', 'huge'], '--profile "huge": use one of embedded, production.'],
    [['--port', 'x'], '--port "x": use a number from 1 to 65535.'],
    [['--port', '70000'], '--port "70000": use a number from 1 to 65535.'],
    [
      ['--name', 'Not Good'],
      '--name "Not Good": use up to 32 lower-case letters, digits and hyphens.',
    ],
  ])('refuses %j with the remedy', (args, message) => {
    expect(() => parseUpOptions(args)).toThrow(message)
  })

  it('names the known options when one is unknown', () => {
    expect(() => parseUpOptions(['--regoin', 'eu'])).toThrow(
      /Unknown option '--regoin'.*Known options: --name, --region, --profile, --port, --offline\./,
    )
  })
})

describe('parseDownOptions', () => {
  it.each([
    [[], { name: undefined, all: false }],
    [['--region', 'eu'], { name: 'opencode-eu', all: false }],
    [['--name', 'second', '--all'], { name: 'second', all: true }],
  ])('reads %j', (args, expected) => {
    expect(parseDownOptions(args)).toEqual(expected)
  })
})
