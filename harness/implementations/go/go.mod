module reusespec/adapter

go 1.19
