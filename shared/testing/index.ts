export * from './delivery-suite.ts'
export * from './eventually.ts'
export * from './test-events.ts'
