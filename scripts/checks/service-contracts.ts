import { resolve } from 'node:path'
import { type EventContract, contracts as sharedContracts } from '@kiln/shared'
import { registry } from '../../src/infrastructure/events.ts'
import { findContractProblems } from './contracts.ts'

/** The shared contracts by the snapshots beside them; those that only this service registers by `contracts/`. */
export function findServiceContractProblems(root: string, update = false): string[] {
  const registered: readonly EventContract[] = registry.contracts
  const shared: readonly EventContract[] = sharedContracts
  const own = registered.filter((contract) => !shared.includes(contract))
  return [
    ...findContractProblems({ folder: resolve(root, 'shared/events/contracts'), contracts: shared, update }),
    ...findContractProblems({ folder: resolve(root, 'contracts'), contracts: own, update }),
  ]
}
