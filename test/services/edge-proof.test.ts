import { expect, it } from 'vitest'
import { checkEdgeProof, signEdgeProof } from '../../services/runtime/edge-proof.ts'

const at = 1_795_000_000_000
const request = { method: 'GET', host: 'us.api.opencode.io', path: '/session', requestID: 'r1' }
/** The test vector of `docs/edge.md`. */
const ofEdge = 't=1795000000,v2=56c0493af525191f421e9bec7227cf402a3538e1b69611589cfb671dd58e6660'

it('believes a proof of ours for its own request, for five minutes', () => {
  const proof = signEdgeProof('edge-secret', request, at)
  expect(checkEdgeProof('edge-secret', request, proof, at + 300_000)).toBe(true)
  expect(checkEdgeProof('edge-secret', request, proof, at + 301_000)).toBe(false)
  expect(checkEdgeProof('edge-secret', { ...request, path: '/other' }, proof, at)).toBe(false)
  expect(checkEdgeProof('other', request, proof, at)).toBe(false)
})

it('believes a proof of the edge for any request to its own host, for a minute', () => {
  expect(checkEdgeProof('edge-secret', request, ofEdge, at + 60_000)).toBe(true)
  expect(checkEdgeProof('edge-secret', { ...request, path: '/other' }, ofEdge, at)).toBe(true)
  expect(checkEdgeProof('edge-secret', request, ofEdge, at + 61_000)).toBe(false)
  expect(checkEdgeProof('edge-secret', request, ofEdge, at - 61_000)).toBe(false)
  expect(
    checkEdgeProof('edge-secret', { ...request, host: 'eu.api.opencode.io' }, ofEdge, at),
  ).toBe(false)
  expect(checkEdgeProof('other', request, ofEdge, at)).toBe(false)
})

it('does not believe one kind of proof as the other, nor anything else', () => {
  const proof = signEdgeProof('edge-secret', request, at)
  for (const bad of [
    undefined,
    '',
    proof.replace('v1', 'v2'),
    ofEdge.replace('v2', 'v1'),
    ofEdge.replace('v2', 'v3'),
    ofEdge.slice(0, -1),
  ]) {
    expect(checkEdgeProof('edge-secret', request, bad, at), bad).toBe(false)
  }
})
