/** @file The same made-up cases in every run: what a graphics driver can't do should not depend on the day. */
import fc from 'fast-check'

fc.configureGlobal({ seed: 20_261_125 })
