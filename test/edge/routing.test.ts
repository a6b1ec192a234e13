import { describe, expect, it } from 'vitest'
import { readConfig } from '../../edge/src/config.ts'
import { applyChange, noControls } from '../../edge/src/health-state.ts'
import { Geography, candidates } from '../../edge/src/routing.ts'
import { edgeVariable } from '../../edge/tools/wrangler.ts'

const config = readConfig(edgeVariable())
const geography = new Geography(config)

describe('where a client is', () => {
  for (const [continent, region] of [
    ['NA', 'us'],
    ['SA', 'us'],
    ['EU', 'eu'],
    ['AF', 'eu'],
    ['AS', 'apac'],
    ['OC', 'apac'],
    ['AN', 'apac'],
  ]) {
    it(`${continent ?? ''} goes to ${region ?? ''}`, () => {
      expect(geography.order(continent, 'XX')[0]).toBe(region)
    })
  }

  it('sends a country with an entry of its own elsewhere than its continent', () => {
    expect(geography.order('AS', 'TR')[0]).toBe('eu')
    expect(geography.order('AS', 'JP')[0]).toBe('apac')
  })

  for (const unknown of [undefined, null, '', 'T1', 'Texas']) {
    it(`sends the unknown location ${JSON.stringify(unknown)} to the default region`, () => {
      expect(geography.order(unknown, unknown)[0]).toBe(config.defaultRegion)
    })
  }

  it('names every region once, whoever asks', () => {
    for (const continent of ['NA', 'EU', 'AS', undefined])
      expect([...geography.order(continent)].sort()).toEqual(['apac', 'eu', 'us'])
  })

  it('refuses a configuration that names a region that does not exist', () => {
    expect(() => readConfig({ ...edgeVariable(), defaultRegion: 'mars' })).toThrow(
      'EDGE.defaultRegion names the unknown region "mars"',
    )
  })
})

describe('the regions to try', () => {
  const preferred = ['eu', 'us', 'apac']
  const healthy = (): boolean => true

  it('are those that answer, in order of preference', () => {
    expect(
      candidates({ preferred, controls: noControls, healthy: (name) => name !== 'eu' }),
    ).toEqual(['us', 'apac'])
  })

  it('are all of them when none answers', () => {
    expect(candidates({ preferred, controls: noControls, healthy: () => false })).toEqual(preferred)
  })

  it('leave out a drained region unless it is the only one', () => {
    const controls = applyChange(noControls, { kind: 'drain', region: 'eu', on: true })
    expect(candidates({ preferred, controls, healthy })).toEqual(['us', 'apac'])
    expect(candidates({ preferred, controls, healthy: (name) => name === 'eu' })).toEqual(['eu'])
    expect(applyChange(controls, { kind: 'drain', region: 'eu', on: false })).toEqual(noControls)
  })

  it('begin with the pinned region, wherever the client is', () => {
    const controls = applyChange(noControls, { kind: 'pin', region: 'apac' })
    expect(candidates({ preferred, controls, healthy, best: () => 'us' })[0]).toBe('apac')
  })

  it('follow the promoted region, even when the old one answers again', () => {
    const controls = applyChange(noControls, { kind: 'promote', region: 'eu', to: 'apac' })
    expect(candidates({ preferred, controls, healthy })).toEqual(['apac', 'us', 'eu'])
  })
})
