import type { HostsValues } from '../../schemas/hosts.ts'

export const hosts: HostsValues = { hosts: {} }
