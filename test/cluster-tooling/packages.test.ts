import { describe, expect, it } from 'vitest'
import { requirements } from '../../cluster/packages.ts'

describe('requirements', () => {
  it('wants the daemon too where only a client is installed and nothing answers', () => {
    expect(requirements(false, true).map(({ program }) => program)).toEqual(['docker', 'dockerd'])
    expect(requirements(false, false).map(({ program }) => program)).toEqual(['docker'])
  })

  it('wants what images are built with where none can be pulled', () => {
    expect(requirements(true, false).map(({ package: name }) => name)).toEqual([
      'docker.io',
      'mmdebstrap',
      'python3-pip',
    ])
  })
})
