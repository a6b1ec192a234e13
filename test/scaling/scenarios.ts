import { setTimeout as delay } from 'node:timers/promises'
import type { Overlay } from '../../schemas/index.ts'
import { send, startHttp } from '../load/http.ts'
import { readSocket } from '../load/readers.ts'
import { tenants } from '../load/target.ts'
import type { Component } from './watch.ts'

/** A load that moves one component's autoscaler by one of its triggers. */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly component: Component
  /** Bounds and targets that a small machine can reach. */
  readonly values: Overlay
  readonly minimum: number
  readonly maximum: number
  /** Starts the load and returns what ends it. */
  readonly load: () => Promise<() => Promise<void>>
}

async function requests(perSecond: number): Promise<() => Promise<void>> {
  // A tenant may make 600 requests a minute.
  const tokens = await tenants('scale', Math.ceil(perSecond / 5))
  const load = startHttp(perSecond, (number) => ({
    method: 'GET',
    path: '/session?limit=1',
    token: tokens[number % tokens.length] ?? '',
  }))
  return () => load.stop()
}

async function turns(count: number): Promise<() => Promise<void>> {
  const tokens = await tenants('scale-turns', Math.ceil(count / 8))
  let stopped = false
  const keep = async (number: number): Promise<void> => {
    const token = tokens[number % tokens.length] ?? ''
    const { id } = await send<{ id: string }>({
      method: 'POST',
      path: '/session',
      token,
      body: { title: `turn ${number}` },
    })
    const body = { parts: [{ type: 'text', text: 'Use a tool for 60 seconds.' }] }
    while (!stopped) {
      // The answer may be behind other turns of a full queue.
      await send({
        method: 'POST',
        path: `/session/${id}/message`,
        token,
        body,
        deadlineMs: 600_000,
      }).catch(() => delay(1000))
    }
  }
  for (let number = 0; number < count; number += 1) void keep(number)
  return () => {
    stopped = true
    return Promise.resolve()
  }
}

async function connections(count: number): Promise<() => Promise<void>> {
  const tokens = await tenants('scale-sockets', 4)
  const readers = Array.from({ length: count }, (_, number) =>
    readSocket(tokens[number % tokens.length] ?? ''),
  )
  return async () => {
    await Promise.all(readers.map((reader) => reader.stop()))
  }
}

const byRequests: Scenario = {
  name: 'requests',
  title: 'API by requests per second: 60 a second at 5 for each pod',
  component: 'api',
  values: {
    api: {
      autoscaling: { minReplicas: 3, maxReplicas: 8, targetCPUUtilizationPercentage: null },
      requestsPerSecond: { target: 5 },
    },
  },
  minimum: 3,
  maximum: 8,
  // Half as much again as the maximum takes: an autoscaler ignores a tenth, and a loaded machine sends less than it should.
  load: () => requests(60),
}

/** Load for some pods between minimum and maximum: from here an autoscaler could go wrong in either direction. */
export const halfWay: { readonly scenario: Scenario; readonly pods: number } = {
  scenario: { ...byRequests, name: 'dead-prometheus', load: () => requests(25) },
  pods: 5,
}

/** Every trigger once. */
export const scenarios: readonly Scenario[] = [
  byRequests,
  {
    name: 'cpu',
    title: 'API by CPU: 120 requests a second at 70 % of 100 millicores for each pod',
    component: 'api',
    values: {
      api: {
        autoscaling: { minReplicas: 3, maxReplicas: 5 },
        requestsPerSecond: { target: 100_000 },
      },
    },
    minimum: 3,
    maximum: 5,
    load: () => requests(120),
  },
  {
    name: 'queue',
    title: 'Workers by open turns: 8 of a minute each, two for each pod',
    component: 'worker',
    values: { worker: { turnsPerPod: 2, autoscaling: { minReplicas: 2, maxReplicas: 4 } } },
    minimum: 2,
    maximum: 4,
    load: () => turns(8),
  },
  {
    name: 'connections',
    title: 'WebSocket handlers by connections: 24 at 6 for each pod',
    component: 'websocket',
    values: {
      keda: { websocket: { connectionsPerPod: 6 } },
      websocket: { autoscaling: { minReplicas: 2, maxReplicas: 4 } },
    },
    minimum: 2,
    maximum: 4,
    load: () => connections(24),
  },
]
