import { describe, expect, it } from 'vitest'
import { hasSysResource, isDebian, lowKernelSettings, parseOsRelease } from '../../cluster/host.ts'

describe('hasSysResource', () => {
  it('finds the capability in a full mask', () => {
    expect(hasSysResource('Name:\tnode\nCapEff:\t000001ffffffffff\n')).toBe(true)
  })

  it('misses it where bit 24 is taken out', () => {
    expect(hasSysResource('CapEff:\t000001fffeffffff\n')).toBe(false)
  })

  it('misses it where there is no mask', () => {
    expect(hasSysResource('')).toBe(false)
  })
})

describe('parseOsRelease', () => {
  const parsed = parseOsRelease(
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n',
  )

  it('takes quoted and plain values', () => {
    expect(parsed).toEqual({
      PRETTY_NAME: 'Debian GNU/Linux 12 (bookworm)',
      ID: 'debian',
      VERSION_CODENAME: 'bookworm',
    })
  })

  it.each([
    [{ ID: 'debian' }, true],
    [{ ID: 'ubuntu', ID_LIKE: 'debian' }, true],
    [{ ID: 'fedora' }, false],
    [{}, false],
  ])('knows what is made from Debian: %j', (os, expected) => {
    expect(isDebian({ os, root: true, cgroupVersion: 2, restricted: false, systemd: true })).toBe(
      expected,
    )
  })
})

describe('lowKernelSettings', () => {
  it('lists what is too low, as sysctl takes it', () => {
    expect(
      lowKernelSettings((path) => (path.endsWith('max_user_instances') ? '128\n' : '1048576\n')),
    ).toEqual(['fs.inotify.max_user_instances=1024'])
  })
})
