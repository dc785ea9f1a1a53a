export { type Breaker, type BreakerState, BrokenCircuit } from './breaker.ts'
export { type Breakers, type BreakersOptions, createBreakers } from './breakers.ts'
export { resilienceSettings } from './settings.ts'
