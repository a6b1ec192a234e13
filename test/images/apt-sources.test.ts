import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hostMirrorLines, mirrorLines, sourceAddresses } from '../../cluster/images/apt-sources.ts'

describe('sourceAddresses', () => {
  it('reads stanzas with several addresses, and leaves comments out', () => {
    const text =
      'Types: deb\n# URIs: http://old.example/debian\nURIs: http://one.example/debian https://two.example/debian\nSuites: bookworm\n'
    expect(sourceAddresses(text)).toEqual([
      'http://one.example/debian',
      'https://two.example/debian',
    ])
  })

  it('reads lines with and without options', () => {
    const text =
      '# deb http://off.example/debian x main\ndeb http://one.example/debian bookworm main\ndeb [arch=amd64 signed-by=/k] https://two.example/debian-security y main\ndeb-src http://src.example/debian x main\n'
    expect(sourceAddresses(text)).toEqual([
      'http://one.example/debian',
      'https://two.example/debian-security',
    ])
  })

  it('leaves out what mmdebstrap cannot fetch', () => {
    expect(
      sourceAddresses('deb cdrom:[Debian]/ bookworm main\nURIs: mirror+file:/etc/apt/mirrors\n'),
    ).toEqual([])
  })
})

describe('mirrorLines', () => {
  it("takes the host's archives in another suite", () => {
    expect(
      mirrorLines(
        [
          'http://m.example/debian/',
          'http://m.example/debian-security',
          'https://other.example/apt',
        ],
        'trixie',
      ),
    ).toEqual([
      'deb http://m.example/debian trixie main',
      'deb http://m.example/debian trixie-updates main',
      'deb http://m.example/debian-security trixie-security main',
    ])
  })

  it.each([
    ['a host that is not Debian', ['http://archive.example/ubuntu']],
    ['security updates without their archive', ['http://m.example/debian-security']],
    ['nothing', []],
  ])("is empty for %s, so that Debian's own archive is used", (_name, addresses) => {
    expect(mirrorLines(addresses, 'trixie')).toEqual([])
  })
})

describe('hostMirrorLines', () => {
  let folder = ''

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'apt-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  it('reads both formats and no other file', () => {
    mkdirSync(join(folder, 'sources.list.d'))
    writeFileSync(
      join(folder, 'sources.list.d', 'debian.sources'),
      'URIs: http://m.example/debian\n',
    )
    writeFileSync(
      join(folder, 'sources.list.d', 'debian.sources.bak'),
      'URIs: http://old.example/debian-security\n',
    )
    expect(hostMirrorLines('trixie', folder)).toEqual([
      'deb http://m.example/debian trixie main',
      'deb http://m.example/debian trixie-updates main',
    ])
  })

  it('is empty where there is no apt', () => {
    expect(hostMirrorLines('trixie', join(folder, 'missing'))).toEqual([])
  })
})
