import { InvalidArgumentError, Option } from 'commander'
import type { EventOperations } from '../events/operations.ts'
import type { Registry } from '../events/registry.ts'
import type { Screen } from './output.ts'

export interface EventCommandsOptions extends Screen {
  /** Opens the service's events for one command, and closes them after it. */
  readonly withEvents: (work: (operations: EventOperations) => Promise<void>) => Promise<void>
  readonly registry: Pick<Registry, 'contracts' | 'jsonSchemas'>
}

export const jsonOption = () => new Option('--json', 'for programs')

/** @throws {InvalidArgumentError} */
export function parseTime(text: string): Date {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('A time looks like 2026-01-31T12:00:00Z.')
  return time
}

/** @throws {InvalidArgumentError} */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A count is a whole number from 1.')
  return Number(text)
}
