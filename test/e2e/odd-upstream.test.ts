import { craneClient } from './support/crane.ts';
import { describeOddPulls } from './support/odd-pulls.ts';

// The others: test/long/odd-upstream.test.ts
describeOddPulls([craneClient]);
