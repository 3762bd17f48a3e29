DROP TABLE members, beneficiaries;
