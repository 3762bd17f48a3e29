DROP TABLE populations;
DROP TABLE regions;
