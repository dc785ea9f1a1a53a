import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { findServiceContractProblems } from '../../../../scripts/checks/service-contracts.ts'

test('every contract is that of its committed snapshots, and reads its golden payloads', () => {
  expect(findServiceContractProblems(resolve(import.meta.dirname, '../../../..'))).toEqual([])
})
