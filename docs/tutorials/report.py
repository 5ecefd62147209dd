# %% [markdown]
# # report

# %%
print(1)
