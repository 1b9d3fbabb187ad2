"""What site and cloud share: payloads, wire format, brokers, signatures. Imports no other package of ours."""
