"""From Verilog to a board: boards, build flows, the UART link and its host side."""
